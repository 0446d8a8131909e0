import { parseArgs } from 'node:util';

/** One flag: what it is without being given, and how its text is read; `read` throws what follows the flag's name. */
interface Option<T> {
  value: T;
  read?: (text: string) => T;
}

export function whole(value: number, min: number, max: number): Option<number> {
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
export function minutes(value: number, min: number, max: number): Option<number> {
  return {
    value,
    read: (text) => {
      const number = Number(text);
      if (/^\d+(\.\d+)?$/.test(text) && number >= min && number <= max) return number;
      throw new Error(`must be a number from ${min} to ${max}`);
    },
  };
}

export function numbers(value: number[]): Option<number[]> {
  return {
    value,
    read: (text) => {
      const read = text === '' ? [] : text.split(',').map(Number);
      if (read.every((number) => Number.isInteger(number) && number >= 0)) return read;
      throw new Error('must be whole numbers with commas between them');
    },
  };
}

export function text(value: string): Option<string>;
export function text(): Option<string | undefined>;
export function text(value?: string): Option<string | undefined> {
  return { value, read: (given) => given };
}

/** Off unless given. */
export function flag(): Option<boolean> {
  return { value: false };
}

/** What the command line says, by the names in `declared` (`stepsOnly` is `--steps-only`). Anything else ends the process. */
export function readOptions<Options extends Record<string, Option<unknown>>>(
  declared: Options,
): { [Name in keyof Options]: Options[Name]['value'] } {
  const flagOf = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const read: Record<string, unknown> = {};
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
        throw new Error(`--${flagOf(name)} ${(error as Error).message}`);
      }
    }
  } catch (error) {
    console.error(`${(error as Error).message.replace(/\.$/, '')}.`);
    process.exit(2);
  }
  return read as { [Name in keyof Options]: Options[Name]['value'] };
}
