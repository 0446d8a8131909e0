import { Session } from 'node:inspector';

interface Described {
  name: string;
  value?: { description?: string; subtype?: string; type: string; value?: unknown };
}

/**
 * What an object keeps in its private fields: how many entries each map, set and list has, and each number as it is. For
 * tests that nothing is left behind where no method tells.
 */
export function privateSizes(object: object): Record<string, number> {
  const session = new Session();
  session.connect();
  const holder = globalThis as { looked?: object };
  holder.looked = object;
  const sizes: Record<string, number> = {};
  try {
    let objectId: string | undefined;
    session.post('Runtime.evaluate', { expression: 'globalThis.looked' }, (error, found) => {
      if (error) throw error;
      ({ objectId } = found.result);
    });
    // Answers of this domain come before `post` returns. Its types do not know private fields.
    session.post('Runtime.getProperties', { objectId: objectId! }, (error, found) => {
      if (error) throw error;
      const { privateProperties = [] } = found as unknown as { privateProperties?: Described[] };
      for (const { name, value } of privateProperties) {
        const [, count] = /^(?:Map|Set|Array)\((\d+)\)$/.exec(value?.description ?? '') ?? [];
        if (count !== undefined) sizes[name] = Number(count);
        else if (value?.type === 'number') sizes[name] = Number(value.value);
      }
    });
  } finally {
    delete holder.looked;
    session.disconnect();
  }
  return sizes;
}
