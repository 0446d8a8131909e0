import { parseArgs } from 'node:util';
/** The call itself is wrong; ends the program with 2. */
export class UsageError extends Error {
  name = 'UsageError';
  exitCode = 2;
}
/** `parseArgs`, with mistakes as usage errors in one sentence. */
export function readArguments(command, args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split('. ')[0] : String(cause);
    throw new UsageError(`${said}. See latentwire ${command} --help.`, { cause });
  }
}
export function readNumber(name, text) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`--${name} takes a number, not "${text}".`);
  return value;
}
/** The one argument of a command that takes exactly one. */
export function readOnly(positionals, what) {
  const [only, ...more] = positionals;
  if (only === undefined || only === '') throw new UsageError(`Say ${what}.`);
  if (more.length > 0) throw new UsageError(`Unexpected argument "${more[0]}": the command takes only ${what}.`);
  return only;
}
//# sourceMappingURL=usage.js.map
