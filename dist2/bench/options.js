import { parseArgs } from 'node:util';
export function whole(value, min, max) {
  return {
    value,
    read: (text) => {
      const number = Number(text);
      if (/^\d+$/.test(text) && number >= min && number <= max) return number;
      throw new Error(`must be a whole number from ${min} to ${max}`);
    },
  };
}
/** A number of minutes, also 0.5. */
export function minutes(value, min, max) {
  return {
    value,
    read: (text) => {
      const number = Number(text);
      if (/^\d+(\.\d+)?$/.test(text) && number >= min && number <= max) return number;
      throw new Error(`must be a number from ${min} to ${max}`);
    },
  };
}
export function numbers(value) {
  return {
    value,
    read: (text) => {
      const read = text === '' ? [] : text.split(',').map(Number);
      if (read.every((number) => Number.isInteger(number) && number >= 0)) return read;
      throw new Error('must be whole numbers with commas between them');
    },
  };
}
export function text(value) {
  return { value, read: (given) => given };
}
/** Off unless given. */
export function flag() {
  return { value: false };
}
/** What the command line says, by the names in `declared` (`stepsOnly` is `--steps-only`). Anything else ends the process. */
export function readOptions(declared) {
  const flagOf = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const read = {};
  try {
    const { values } = parseArgs({
      options: Object.fromEntries(
        Object.entries(declared).map(([name, { read }]) => [flagOf(name), { type: read ? 'string' : 'boolean' }]),
      ),
    });
    for (const [name, { value, read: parse }] of Object.entries(declared)) {
      const given = values[flagOf(name)];
      try {
        read[name] = given === undefined ? value : typeof given === 'string' ? parse?.(given) : given;
      } catch (error) {
        throw new Error(`--${flagOf(name)} ${error.message}`);
      }
    }
  } catch (error) {
    console.error(`${error.message.replace(/\.$/, '')}.`);
    process.exit(2);
  }
  return read;
}
//# sourceMappingURL=options.js.map
