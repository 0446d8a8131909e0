import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The command line is wrong. The program ends with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = 2;
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** `parseArgs`, which throws a usage error of one sentence. */
export function readArguments<const O extends Options>(
  command: string,
  args: string[],
  options: O,
): ReturnType<typeof parseArgs<{ args: string[]; options: O; allowPositionals: true; strict: true }>> {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split('. ')[0] : String(cause);
    throw new UsageError(`${said}. See latentwire ${command} --help.`, { cause });
  }
}

export function readNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`--${name} takes a number, not "${text}".`);
  return value;
}

/** The one argument of a command that takes exactly one. */
export function readOnly(positionals: readonly string[], what: string): string {
  const [only, ...more] = positionals;
  if (only === undefined || only === '') throw new UsageError(`Argument missing: ${what}.`);
  if (more.length > 0)
    throw new UsageError(`Unexpected argument "${more[0]}": the command takes only one argument, ${what}.`);
  return only;
}
