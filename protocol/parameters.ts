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
  max?: number | undefined;
  default?: string | number | boolean | undefined;
  allowedValues?: readonly (string | number | boolean)[] | undefined;
  /** Why the parameter cannot be honoured; makes the code `unsupportedParameter`. */
  unsupported?: string;
  /** Facts of a nested object, by key. */
  children?: z.ZodRawShape;
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

/** One of a few words, in any case; the result has the case of the list. */
export function choice<const T extends string>(values: readonly T[], byDefault?: T) {
  return described(word(values).optional(), {
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

/** Hands the issues of an inner parse to the outer one. */
export function passIssues(inner: z.ZodError, context: z.RefinementCtx): void {
  for (const issue of inner.issues) {
    context.issues.push({ code: 'custom', message: issue.message, input: undefined, path: [...issue.path] });
  }
}

/** The error a client is told, from the first thing wrong with a task. */
export function toTaskError(shape: z.ZodRawShape, failed: z.ZodError, raw: object): TaskError {
  const path = failed.issues[0]?.path ?? [];
  const names = path.filter((part) => typeof part === 'string');
  const parameter = names.join('.');
  const facts = findFacts(shape, names);
  if (facts === undefined)
    return new TaskError('invalidParameter', { parameter: parameter || undefined, cause: failed });
  if (facts.unsupported !== undefined) {
    const message = `\`${parameter}\` is not supported: ${facts.unsupported}`;
    return new TaskError('unsupportedParameter', { message, parameter, cause: failed });
  }
  const missing = names.length === 1 && names[0] !== undefined && isAbsent((raw as Record<string, unknown>)[names[0]]);
  const { type, min, max, default: byDefault, allowedValues } = facts;
  return new TaskError(parameterCode(missing ? 'missing' : 'invalid', parameter), {
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

function findFacts(shape: z.ZodRawShape, names: readonly string[]): Facts | undefined {
  let facts: Facts | undefined;
  let level: z.ZodRawShape | undefined = shape;
  for (const name of names) {
    const schema: unknown = level !== undefined && Object.hasOwn(level, name) ? level[name] : undefined;
    const found = typeof schema === 'object' && schema !== null ? factsOf.get(schema) : undefined;
    // Deeper than the facts go: the nearest description is the best there is.
    if (found === undefined) break;
    facts = found;
    level = found.children;
  }
  return facts;
}

function word<const T extends string>(values: readonly T[]) {
  return z.string().transform((written, context): T => {
    const found = values.find((value) => value.toLowerCase() === written.toLowerCase());
    if (found !== undefined) return found;
    context.issues.push({ code: 'custom', message: 'not one of the allowed words', input: written });
    return z.NEVER;
  });
}
