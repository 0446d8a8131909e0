/** One flag: what it is without being given, and how its text is read; `read` throws what follows the flag's name. */
interface Option<T> {
  value: T;
  read?: (text: string) => T;
}
export declare function whole(value: number, min: number, max: number): Option<number>;
/** A number of minutes, also 0.5. */
export declare function minutes(value: number, min: number, max: number): Option<number>;
export declare function numbers(value: number[]): Option<number[]>;
export declare function text(value: string): Option<string>;
export declare function text(): Option<string | undefined>;
/** Off unless given. */
export declare function flag(): Option<boolean>;
/** What the command line says, by the names in `declared` (`stepsOnly` is `--steps-only`). Anything else ends the process. */
export declare function readOptions<Options extends Record<string, Option<unknown>>>(
  declared: Options,
): {
  [Name in keyof Options]: Options[Name]['value'];
};
