import type { CatalogEntry } from '../../../server/catalog/catalog.ts';
import type { ModelInfo } from '../../typescript/index.ts';
import { type ServerChoice, serverOptions, serverOptionsHelp, withServer } from '../server.ts';
import { table, terminalWidth } from '../table.ts';
import { humanBytes } from '../transfer.ts';
import { readArguments } from '../usage.ts';
import type { Local } from './local.ts';
import { localOptions, localOptionsHelp } from './options.ts';

export const listHelp = `Usage: latentwire models [list] [WORDS] [options]

Lists the models of this machine that match the words; with --url or LATENTWIRE_URL, those of that server.

Options:
  --json               Print all details as JSON
${localOptionsHelp}
${serverOptionsHelp.replace(/Default: LATENTWIRE_URL.*$/m, 'Default: LATENTWIRE_URL, else none: this machine')}
`;

export async function list(args: string[]): Promise<void> {
  const options = { ...serverOptions, ...localOptions, json: { type: 'boolean' } } as const;
  const { values, positionals } = readArguments('models list', args, options);
  const words = positionals.join(' ');
  const atServer = values.url !== undefined || (process.env.LATENTWIRE_URL ?? '') !== '';
  if (atServer && values['models-dir'] === undefined) return await listServer(values, words, values.json === true);
  const { openLocal } = await import('./local.ts');
  await listLocal(openLocal(values), words, values.json === true);
}

async function listLocal(local: Local, words: string, json: boolean): Promise<void> {
  const all = await local.list();
  const found = all.filter((entry) => fits(entry, words));
  if (json) {
    const items = found.map(({ air, ids, model }) => ({ air, ids, ...model }));
    return print(`${JSON.stringify(items, undefined, 2)}\n`);
  }
  const { noteOf } = await import('../../../server/catalog/taskModels.ts');
  const rows = found.map((entry) => toLocalRow(entry, noteOf(entry, all, local.defaultVaes)));
  print(table([['AIR', 'KIND', 'FAMILY', 'SIZE', 'PRECISION', ''], ...rows], terminalWidth()));
}

function toLocalRow({ air, model }: CatalogEntry, note: string | undefined): string[] {
  return [
    air,
    model.upscaler ? `${model.kind} ${model.upscaler.scale}×` : model.kind,
    model.architecture === 'unknown' ? model.family : model.architecture,
    model.sizeBytes > 0 ? humanBytes(model.sizeBytes) : '-',
    model.precision,
    model.available ? (note ?? '') : `cannot be used: ${model.reason ?? 'no reason given'}`,
  ];
}

function fits({ ids, model }: CatalogEntry, words: string): boolean {
  const text = [...ids, model.name, model.description ?? '', ...model.tags].join(' ').toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

async function listServer(choice: ServerChoice, words: string, json: boolean): Promise<void> {
  await withServer(choice, async (client) => {
    const found = await client.models(words === '' ? undefined : words);
    print(json ? `${JSON.stringify(found, undefined, 2)}\n` : table(found.map(toRow), terminalWidth()));
  });
}

function toRow({ air, name, defaultWidth, defaultHeight, defaultSteps, available, reason }: ModelInfo): string[] {
  return [
    air,
    name,
    `${defaultWidth}×${defaultHeight}`,
    `${defaultSteps} steps`,
    available ? (reason ?? '') : `cannot be loaded: ${reason ?? 'no reason given'}`,
  ];
}

function print(text: string): void {
  process.stdout.write(text);
}
