/**
 * Parameters that describe themselves. Each is a zod schema with its facts beside it: what is allowed, in a sentence
 * and in numbers. Whatever zod finds wrong, the client is told the facts, so an error always says what would have been
 * accepted.
 */

import * as z from 'zod';
import { parameterCode, TaskError } from './errors.ts';

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
export function taskKind<S extends z.ZodRawShape, T>(
  shape: S,
  finish: (task: z.output<z.ZodObject<S>>, context: z.RefinementCtx) => T,
): TaskKind<T> {
  return { shape, schema: z.object(shape).transform(finish) as z.ZodType<T> };
}

const factsOf = new WeakMap<object, Facts>();

/** What was registered for a schema. */
export function factsAbout(schema: object): Facts | undefined {
  return factsOf.get(schema);
}

/** Registers facts for a schema and returns it. */
export function described<S extends z.ZodType>(schema: S, facts: Facts): S {
  factsOf.set(schema, facts);
  return schema;
}

/** An integer. */
export function integer(limits: { min: number; max: number; multipleOf?: number; default?: number }) {
  let schema = z.int().min(limits.min).max(limits.max);
  if (limits.multipleOf !== undefined) schema = schema.multipleOf(limits.multipleOf);
  const multiples = limits.multipleOf === undefined ? '' : ` in multiples of ${limits.multipleOf}`;
  return described(schema.optional(), {
    type: 'integer',
    rule: `an integer from ${limits.min} to ${limits.max}${multiples}`,
    min: limits.min,
    max: limits.max,
    default: limits.default,
  });
}

/** A number with a fraction. */
export function decimal(limits: { min: number; max: number; default?: number }) {
  return described(z.number().min(limits.min).max(limits.max).optional(), {
    type: 'number',
    rule: `a number from ${limits.min} to ${limits.max}`,
    ...limits,
  });
}

/** A text, counted in UTF-16 units as JavaScript does. */
export function text(limits: { min?: number; max: number }) {
  const min = limits.min ?? 0;
  return described(z.string().min(min).max(limits.max).optional(), {
    type: 'string',
    rule: `a string of ${min} to ${limits.max} characters`,
    min,
    max: limits.max,
  });
}

export function boolean(byDefault?: boolean) {
  return described(z.boolean().optional(), { type: 'boolean', rule: 'true or false', default: byDefault });
}

/**
 * One of a few words, in any case; the result has the case of the list.
 *
 * @param aliases - other spellings, in lower case, and what they stand for
 */
export function choice<const T extends string>(
  values: readonly T[],
  byDefault?: T,
  aliases: ReadonlyMap<string, T> = new Map(),
) {
  return described(word(values, aliases).optional(), {
    type: 'string',
    rule: `one of ${values.join(', ')}`,
    allowedValues: values,
    default: byDefault,
  });
}

/** One or several of a few words: Runware's `outputType` comes as a string or as an array. */
export function choices<const T extends string>(values: readonly T[], byDefault?: T) {
  const list = z.array(word(values)).max(values.length * 4);
  const schema = z.preprocess((value) => (typeof value === 'string' ? [value] : value), list);
  return described(schema.transform((chosen) => [...new Set(chosen)]).optional(), {
    type: 'string',
    rule: `one or several of ${values.join(', ')}`,
    allowedValues: values,
    default: byDefault,
  });
}

/** Any UUID. Kept as it was written, because clients compare strings. */
export function uuid() {
  return described(z.string().regex(UUID), { type: 'string', rule: 'a UUID' });
}

/** A parameter that this server knows and cannot honour. `harmless` values would not have changed the picture. */
export function unsupported(reason: string, harmless: (value: unknown) => boolean = () => false) {
  const schema = z.custom<undefined>((value) => value === undefined || harmless(value)).optional();
  return described(schema, { type: 'null', rule: 'left out', unsupported: reason });
}

/**
 * A parameter of Runware's that makes no difference here. Values that are not `harmless` are answered with a warning.
 *
 * @param reason - ends the sentence "`name` has no effect: …"
 * @param schema - where the value is read all the same
 */
export function ignored<S extends z.ZodType = z.ZodOptional<z.ZodUnknown>>(
  reason: string,
  harmless: (value: unknown) => boolean = () => false,
  schema?: S,
): S {
  const read = schema ?? (z.unknown().optional() as unknown as S);
  return described(read, { type: 'any', rule: 'anything', ...factsOf.get(read), ignored: reason, harmless });
}

/** For switches: off asks for nothing. */
export const isFalse = (value: unknown): boolean => value === false;

/** What results are sent without, whatever the task: `includeCost` is honoured by image tasks alone, the rest costs nothing. */
export const answeredAtOnce = () => ({
  includeCost: boolean(false),
  deliveryMethod: ignored('the server answers this task at once.', (value) => value === 'sync'),
  webhookURL: unsupported(NO_CALLS),
  uploadEndpoint: unsupported(NO_CALLS),
});

export const NO_CALLS =
  'this server does not call addresses of clients; get results from the socket or with getResponse.';

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The object without what counts as absent: null (Python clients write it for every unset field) and empty arrays.
 * One level only: what comes from outside may be nested as deep as a frame is long.
 */
export function present(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => !isAbsent(entry)));
}

export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/** A nested object whose errors keep their place: `previews.every`. */
export function nested<S extends z.ZodRawShape>(shape: S, rule: string) {
  return described(z.preprocess(present, z.object(shape)).optional(), { type: 'object', rule, children: shape });
}

/**
 * An array of objects whose errors keep their place: `controlNet[1].guideImage`. Each entry is given its place, as
 * `parameter`, for what is found wrong with it later.
 *
 * Read up to the first fault, and not at all where it is too long: it may be as long as a frame.
 *
 * @param keys what an object has, for the error: "model and weight"
 * @param finish fills in the defaults of an entry
 */
export function list<S extends z.ZodRawShape, T>(
  name: string,
  shape: S,
  { max, keys }: { max: number; keys: string },
  finish: (entry: z.output<z.ZodObject<S>>, context: z.RefinementCtx) => T,
) {
  const entry = z.object(shape).transform(finish);
  const schema = z.unknown().transform((value, context): (T & { parameter: string })[] => {
    if (!Array.isArray(value) || value.length > max) {
      context.issues.push({ code: 'custom', message: 'not such an array', input: undefined });
      return z.NEVER;
    }
    const entries: (T & { parameter: string })[] = [];
    for (const [index, sent] of value.entries()) {
      const parsed = entry.safeParse(present(sent));
      if (!parsed.success) {
        passIssues(parsed.error, context, [index]);
        return z.NEVER;
      }
      entries.push({ ...parsed.data, parameter: `${name}[${index}]` });
    }
    return entries;
  });
  return described(schema.optional(), {
    type: 'array',
    rule: `an array of at most ${max} objects of ${keys}`,
    entry: { type: 'object', rule: `an object of ${keys}`, children: shape },
  });
}

/** Hands the issues of an inner parse to the outer one, which has it under `path`. */
export function passIssues(inner: z.ZodError, context: z.RefinementCtx, path: readonly PropertyKey[] = []): void {
  for (const issue of inner.issues) {
    const params = issue.code === 'custom' ? issue.params : undefined;
    const { message } = issue;
    context.issues.push({ code: 'custom', message, input: undefined, path: [...path, ...issue.path], params });
  }
}

/**
 * Refuses a parameter for what it is beside others, which its own facts cannot say. Of several refusals the client is
 * told the first.
 *
 * @param kind `missing` where it would have to be there because another one is
 * @param told the sentence that the client gets
 */
export function refuse(
  context: z.RefinementCtx,
  kind: 'missing' | 'invalid',
  path: readonly PropertyKey[],
  told: string,
): void {
  context.issues.push({ code: 'custom', message: told, input: undefined, path: [...path], params: { kind } });
}

/** The error a client is told, from the first thing wrong with a task. */
export function toTaskError(shape: z.ZodRawShape, failed: z.ZodError, raw: object): TaskError {
  const [issue] = failed.issues;
  const path = issue?.path ?? [];
  const { parameter, facts } = locate(shape, path);
  if (facts === undefined)
    return new TaskError('invalidParameter', { parameter: parameter || undefined, cause: failed });
  const refused: unknown = issue?.code === 'custom' ? issue.params?.kind : undefined;
  if (refused === 'missing' || refused === 'invalid') {
    const { type } = facts;
    return new TaskError(parameterCode(refused, parameter), {
      message: issue?.message,
      parameter,
      type,
      cause: failed,
    });
  }
  if (facts.unsupported !== undefined) {
    const message = `\`${parameter}\` is not supported: ${facts.unsupported}`;
    return new TaskError('unsupportedParameter', { message, parameter, cause: failed });
  }
  const missing = isAbsent(valueAt(raw, path));
  const { type, min, max, default: byDefault, allowedValues } = facts;
  // Where something is missing inside a parameter, the parameter is there, and wrong.
  return new TaskError(parameterCode(missing && path.length === 1 ? 'missing' : 'invalid', parameter), {
    message: missing ? `\`${parameter}\` is required: ${facts.rule}.` : `\`${parameter}\` must be ${facts.rule}.`,
    parameter,
    type,
    min,
    max,
    default: byDefault,
    allowedValues,
    cause: failed,
  });
}

/** The parameter at a path, as errors name it, and the nearest facts there are about it. */
function locate(shape: z.ZodRawShape, path: readonly PropertyKey[]): { parameter: string; facts: Facts | undefined } {
  let parameter = '';
  let facts: Facts | undefined;
  let level: z.ZodRawShape | undefined = shape;
  for (const part of path) {
    if (typeof part === 'number') {
      // The entries of a list of words are told with the list.
      if (facts?.entry === undefined) continue;
      parameter += `[${part}]`;
      facts = facts.entry;
      level = facts.children;
    } else if (typeof part === 'string') {
      parameter += parameter === '' ? part : `.${part}`;
      const schema: unknown = level !== undefined && Object.hasOwn(level, part) ? level[part] : undefined;
      const found = typeof schema === 'object' && schema !== null ? factsOf.get(schema) : undefined;
      // Deeper than the facts go: the nearest description is the best there is.
      facts = found ?? facts;
      level = found?.children;
    }
  }
  return { parameter, facts };
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

function word<const T extends string>(values: readonly T[], aliases?: ReadonlyMap<string, T>) {
  return z.string().transform((written, context): T => {
    const found =
      values.find((value) => value.toLowerCase() === written.toLowerCase()) ?? aliases?.get(written.toLowerCase());
    if (found !== undefined) return found;
    context.issues.push({ code: 'custom', message: 'not one of the allowed words', input: written });
    return z.NEVER;
  });
}
