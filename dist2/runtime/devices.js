/** What computes, by name. No native code is reached from here, so an option is checked before any process starts. */
/** Names of providers as onnxruntime has them, in the order `auto` prefers them; cpu is last and always starts. */
const names = ['cuda', 'webgpu', 'coreml', 'dml', 'cpu'];
/** Providers of which a machine may have several devices, told apart by a number. */
const numbered = ['cuda', 'dml'];
/** The device asked for does not exist, or does not start here; the message lists those that do. */
export class ProviderError extends Error {
  name = 'ProviderError';
}
/** Names of all providers there are, in the order `auto` prefers them. */
export function providerNames() {
  return [...names];
}
/**
 * Reads `cuda`, `cuda:1`, `cpu` or `auto`, in any case.
 *
 * @throws {ProviderError} with a sentence that lists the names there are
 */
export function parseDevice(text) {
  const [, name = text, number] = /^([a-z]+)(?::(\d{1,3}))?$/i.exec(text.trim()) ?? [];
  const known = ['auto', ...names].find((each) => each === name.toLowerCase());
  if (known === undefined) {
    throw new ProviderError(`There is no provider "${text}". There are: auto, ${names.join(', ')}.`);
  }
  if (number === undefined) return { name: known };
  if (!numbered.includes(known)) {
    throw new ProviderError(
      `"${text}" names a device by its number, which only ${numbered.join(' and ')} have, as in cuda:1.`,
    );
  }
  return { name: known, deviceId: Number(number) };
}
/** A device as it is written, in one way only: `cuda:0` is `cuda`. */
export function deviceText({ name, deviceId = 0 }) {
  return deviceId === 0 ? name : `${name}:${deviceId}`;
}
/**
 * Checks devices that compute side by side, one process each.
 *
 * @throws {ProviderError} when there is none, one does not exist, or a GPU is named twice; only `cpu` may be
 */
export function checkDevices(texts) {
  if (texts.length === 0) throw new ProviderError(`No device is named. There are: auto, ${names.join(', ')}.`);
  const seen = new Set();
  for (const text of texts.map((each) => deviceText(parseDevice(each)))) {
    if (text === 'auto' && texts.length > 1) {
      throw new ProviderError('auto picks one device and cannot stand beside others: name each of them.');
    }
    if (text !== 'cpu' && seen.has(text)) {
      const twice = numbered.includes(text) ? `${text} (which is ${text}:0)` : text;
      throw new ProviderError(`${twice} is named twice, but a GPU takes one process; only cpu may be named twice.`);
    }
    seen.add(text);
  }
}
//# sourceMappingURL=devices.js.map
