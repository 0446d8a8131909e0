import { type ParseArgsConfig, parseArgs } from 'node:util';
/** The call itself is wrong; ends the program with 2. */
export declare class UsageError extends Error {
  readonly name = 'UsageError';
  readonly exitCode = 2;
}
type Options = NonNullable<ParseArgsConfig['options']>;
/** `parseArgs`, with mistakes as usage errors in one sentence. */
export declare function readArguments<const O extends Options>(
  command: string,
  args: string[],
  options: O,
): ReturnType<
  typeof parseArgs<{
    args: string[];
    options: O;
    allowPositionals: true;
    strict: true;
  }>
>;
export declare function readNumber(name: string, text: string | undefined): number | undefined;
/** The one argument of a command that takes exactly one. */
export declare function readOnly(positionals: readonly string[], what: string): string;
