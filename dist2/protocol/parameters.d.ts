/**
 * Parameters that describe themselves. Each is a zod schema with its facts beside it: what is allowed, in a sentence
 * and in numbers. Whatever zod finds wrong, the client is told the facts, so an error always says what would have been
 * accepted.
 */
import * as z from 'zod';
import { TaskError } from './errors.ts';
/** What an error says about a parameter. */
export interface Facts {
  /** JSON type. */
  type: string;
  /** Ends the sentence "`name` must be …". */
  rule: string;
  min?: number | undefined;
  max?: number | bigint | undefined;
  default?: string | number | boolean | undefined;
  allowedValues?: readonly (string | number | boolean)[] | undefined;
  /** Why the parameter cannot be honoured; makes the code `unsupportedParameter`. */
  unsupported?: string;
  /** Why a value that is not `harmless` has no effect; makes a warning, never an error. */
  ignored?: string;
  /** Whether a value asks for nothing. */
  harmless?: (value: unknown) => boolean;
  /** Facts of a nested object, by key. */
  children?: z.ZodRawShape;
  /** Facts of each entry of an array of objects; errors then say which entry: `lora[2].weight`. */
  entry?: Facts;
}
/** A task type: its parameters, and the schema that turns them into a task. */
export interface TaskKind<T = unknown> {
  shape: z.ZodRawShape;
  schema: z.ZodType<T>;
}
/** Makes a task type of its parameters and of the last step, which fills in defaults. */
export declare function taskKind<S extends z.ZodRawShape, T>(
  shape: S,
  finish: (task: z.output<z.ZodObject<S>>, context: z.RefinementCtx) => T,
): TaskKind<T>;
/** What was registered for a schema. */
export declare function factsAbout(schema: object): Facts | undefined;
/** Registers facts for a schema and returns it. */
export declare function described<S extends z.ZodType>(schema: S, facts: Facts): S;
/** An integer. */
export declare function integer(limits: {
  min: number;
  max: number;
  multipleOf?: number;
  default?: number;
}): z.ZodOptional<z.ZodInt>;
/** A number with a fraction. */
export declare function decimal(limits: { min: number; max: number; default?: number }): z.ZodOptional<z.ZodNumber>;
/** A text, counted in UTF-16 units as JavaScript does. */
export declare function text(limits: { min?: number; max: number }): z.ZodOptional<z.ZodString>;
export declare function boolean(byDefault?: boolean): z.ZodOptional<z.ZodBoolean>;
/**
 * One of a few words, in any case; the result has the case of the list.
 *
 * @param aliases - other spellings, in lower case, and what they stand for
 */
export declare function choice<const T extends string>(
  values: readonly T[],
  byDefault?: T,
  aliases?: ReadonlyMap<string, T>,
): z.ZodOptional<z.ZodPipe<z.ZodString, z.ZodTransform<Awaited<T>, string>>>;
/** One or several of a few words: Runware's `outputType` comes as a string or as an array. */
export declare function choices<const T extends string>(
  values: readonly T[],
  byDefault?: T,
): z.ZodOptional<
  z.ZodPipe<
    z.ZodPreprocess<z.ZodArray<z.ZodPipe<z.ZodString, z.ZodTransform<Awaited<T>, string>>>, unknown>,
    z.ZodTransform<Awaited<T>[], Awaited<T>[]>
  >
>;
/** Any UUID. Kept as it was written, because clients compare strings. */
export declare function uuid(): z.ZodString;
/** A parameter that this server knows and cannot honour. `harmless` values would not have changed the picture. */
export declare function unsupported(
  reason: string,
  harmless?: (value: unknown) => boolean,
): z.ZodOptional<z.ZodCustom<undefined, undefined>>;
/**
 * A parameter of Runware's that makes no difference here. Values that are not `harmless` are answered with a warning.
 *
 * @param reason - ends the sentence "`name` has no effect: …"
 * @param schema - where the value is read all the same
 */
export declare function ignored<S extends z.ZodType = z.ZodOptional<z.ZodUnknown>>(
  reason: string,
  harmless?: (value: unknown) => boolean,
  schema?: S,
): S;
/** For switches: off asks for nothing. */
export declare const isFalse: (value: unknown) => boolean;
/** What results are sent without, whatever the task: `includeCost` is honoured by image tasks alone, the rest costs nothing. */
export declare const answeredAtOnce: () => {
  includeCost: z.ZodOptional<z.ZodBoolean>;
  deliveryMethod: z.ZodOptional<z.ZodUnknown>;
  webhookURL: z.ZodOptional<z.ZodCustom<undefined, undefined>>;
  uploadEndpoint: z.ZodOptional<z.ZodCustom<undefined, undefined>>;
};
export declare const NO_CALLS =
  'this server does not call addresses that it is given; take results from the socket or with getResponse.';
export declare const UUID: RegExp;
/**
 * The object without what counts as absent: null (Python clients write it for every unset field) and empty arrays.
 * One level only: what comes from outside may be nested as deep as a frame is long.
 */
export declare function present(value: unknown): unknown;
export declare function isAbsent(value: unknown): boolean;
/** A nested object whose errors keep their place: `previews.every`. */
export declare function nested<S extends z.ZodRawShape>(
  shape: S,
  rule: string,
): z.ZodOptional<z.ZodPreprocess<z.ZodObject<{ -readonly [P in keyof S]: S[P] }, z.core.$strip>, unknown>>;
/**
 * An array of objects whose errors keep their place: `controlNet[1].guideImage`. Each entry is given its place, as
 * `parameter`, for what is found wrong with it later.
 *
 * Read up to the first fault, and not at all where it is too long: it may be as long as a frame.
 *
 * @param keys what an object has, for the error: "model and weight"
 * @param finish fills in the defaults of an entry
 */
export declare function list<S extends z.ZodRawShape, T>(
  name: string,
  shape: S,
  {
    max,
    keys,
  }: {
    max: number;
    keys: string;
  },
  finish: (entry: z.output<z.ZodObject<S>>, context: z.RefinementCtx) => T,
): z.ZodOptional<
  z.ZodPipe<
    z.ZodUnknown,
    z.ZodTransform<
      (T & {
        parameter: string;
      })[],
      unknown
    >
  >
>;
/** Hands the issues of an inner parse to the outer one, which has it under `path`. */
export declare function passIssues(inner: z.ZodError, context: z.RefinementCtx, path?: readonly PropertyKey[]): void;
/**
 * Refuses a parameter for what it is beside others, which its own facts cannot say. Of several refusals the client is
 * told the first.
 *
 * @param kind `missing` where it would have to be there because another one is
 * @param told the sentence that the client gets
 */
export declare function refuse(
  context: z.RefinementCtx,
  kind: 'missing' | 'invalid',
  path: readonly PropertyKey[],
  told: string,
): void;
/** The error a client is told, from the first thing wrong with a task. */
export declare function toTaskError(shape: z.ZodRawShape, failed: z.ZodError, raw: object): TaskError;
