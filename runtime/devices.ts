/** Devices by name. Imports no native code, so options are checked before any process starts. */

/** Provider names of onnxruntime, in the order of preference of `auto`; cpu is last and always starts. */
const names = ['cuda', 'webgpu', 'coreml', 'dml', 'cpu'] as const;

/** Providers with several devices, distinguished by number. */
const numbered: readonly string[] = ['cuda', 'dml'];

export type ProviderName = (typeof names)[number];

export interface Device {
  name: ProviderName | 'auto';
  /** Index of the GPU; absent: the first. */
  deviceId?: number;
}

/** The requested device does not exist or does not start; the message lists the available ones. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
}

/** Names of all providers, in the order of preference of `auto`. */
export function providerNames(): ProviderName[] {
  return [...names];
}

/**
 * Parses `cuda`, `cuda:1`, `cpu` or `auto`, in any case.
 *
 * @throws {ProviderError} with a sentence that lists the names
 */
export function parseDevice(text: string): Device {
  const [, name = text, number] = /^([a-z]+)(?::(\d{1,3}))?$/i.exec(text.trim()) ?? [];
  const known = (['auto', ...names] as const).find((each) => each === name.toLowerCase());
  if (known === undefined) {
    throw new ProviderError(`There is no provider "${text}". There are: auto, ${names.join(', ')}.`);
  }
  if (number === undefined) return { name: known };
  if (!numbered.includes(known)) {
    throw new ProviderError(`"${text}" has a device number, which only ${numbered.join(' and ')} take, as in cuda:1.`);
  }
  return { name: known, deviceId: Number(number) };
}

/** The canonical name of a device: `cuda:0` is `cuda`. */
export function deviceText({ name, deviceId = 0 }: Device): string {
  return deviceId === 0 ? name : `${name}:${deviceId}`;
}

/**
 * Checks devices for use together, one process each.
 *
 * @throws {ProviderError} if there is none, one does not exist, or one other than `cpu` is named twice
 */
export function checkDevices(texts: readonly string[]): void {
  if (texts.length === 0) throw new ProviderError(`No device is named. There are: auto, ${names.join(', ')}.`);
  const seen = new Set<string>();
  for (const text of texts.map((each) => deviceText(parseDevice(each)))) {
    if (text === 'auto' && texts.length > 1) {
      throw new ProviderError('auto chooses one device and cannot be combined with others: name each device.');
    }
    if (text !== 'cpu' && seen.has(text)) {
      const twice = numbered.includes(text) ? `${text} (which is ${text}:0)` : text;
      throw new ProviderError(`${twice} is named twice. Only cpu may be named several times.`);
    }
    seen.add(text);
  }
}
