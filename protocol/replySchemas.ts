/**
 * Zod schemas of what a server sends, for tests and for those who write another server or client. They are strict: a
 * key that the specification does not name is an error here, while a client ignores it.
 */

import * as z from 'zod';
import { type ErrorCode, errors } from './errors.ts';
import { UUID } from './parameters.ts';
import { IMAGE_FORMATS } from './previews.ts';

const uuid = z.string().regex(UUID);
const url = z.url({ protocol: /^https?$/ });
const count = z.int().min(0);
const percentage = z.number().min(0).max(100);
const format = z.enum(IMAGE_FORMATS);
const scalar = z.union([z.string(), z.number(), z.boolean()]);

const warnings = z
  .array(
    z.strictObject({
      code: z.enum(['unknownParameter', 'ignoredParameter']),
      message: z.string().min(1),
      parameter: z.string().min(1),
    }),
  )
  .min(1)
  .optional();

const task = { taskType: z.string(), taskUUID: uuid };
const answer = { ...task, warnings };
const place = { ...task, resultIndex: count };

const preview = z.strictObject({
  resultIndex: count,
  step: count,
  steps: z.int().min(1),
  width: z.int().min(1),
  height: z.int().min(1),
  format,
  imageBase64Data: z.base64().optional(),
});

/** One item of `events`. */
export const eventSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('queued'), ...task, position: count }),
  z.strictObject({ event: z.literal('loading'), ...task, component: z.string().min(1), progress: percentage }),
  z.strictObject({ event: z.literal('started'), ...place, steps: z.int().min(1) }),
  z.strictObject({ event: z.literal('stepped'), ...place, step: count, steps: z.int().min(1) }),
  z.strictObject({ event: z.literal('previewed'), ...task, ...preview.shape }),
  z.strictObject({ event: z.literal('cancelled'), ...task, reason: z.enum(['cancelled', 'superseded']) }),
]);

const anyModel = {
  air: z.string(),
  name: z.string(),
  version: z.string(),
  architecture: z.string(),
  type: z.string(),
  tags: z.array(z.string()),
  heroImage: url.optional(),
  private: z.boolean(),
  comment: z.string(),
  available: z.boolean(),
  reason: z.string().optional(),
  precision: z.string().optional(),
  sizeBytes: count.optional(),
};

const model = z.discriminatedUnion('category', [
  z.strictObject({
    ...anyModel,
    category: z.literal('checkpoint'),
    defaultWidth: count,
    defaultHeight: count,
    defaultSteps: count,
    defaultScheduler: z.string(),
    defaultCFG: z.number(),
    defaultStrength: z.number().optional(),
    schedulers: z.array(z.string()).optional(),
    previewDecoders: z.array(z.string()).optional(),
  }),
  z.strictObject({ ...anyModel, category: z.enum(['lora', 'embeddings', 'controlnet', 'vae', 'ipadapter']) }),
  z.strictObject({ ...anyModel, category: z.literal('upscaler'), scale: z.int().min(1) }),
]);

const finishedImage = {
  ...answer,
  status: z.literal('success'),
  imageUUID: uuid,
  imageURL: url,
  imageBase64Data: z.base64().optional(),
  imageDataURI: z.string().startsWith('data:image/').optional(),
  resultIndex: count,
  cost: z.number().optional(),
};

const imageResult = z.union([
  z.strictObject({ ...finishedImage, seed: z.union([z.int().min(0), z.bigint()]) }),
  z.strictObject({ ...finishedImage, inputImageUUID: uuid }),
]);

const ofTask = z.union([
  z.strictObject({ taskType: z.literal('authentication'), connectionSessionUUID: uuid, warnings }),
  z.strictObject({ taskType: z.literal('ping'), pong: z.literal(true) }),
  imageResult,
  z.strictObject({ ...answer, imageUUID: uuid, imageURL: url }),
  z.strictObject({
    ...answer,
    operation: z.enum(['upload', 'delete']),
    mediaUUID: uuid,
    mediaURL: url.optional(),
  }),
  z.strictObject({
    ...answer,
    status: z.literal('processing'),
    progress: percentage.optional(),
    loading: z.strictObject({ component: z.string().min(1), progress: percentage }).optional(),
    preview: preview.optional(),
  }),
  z.strictObject({ ...answer, cancelled: z.array(uuid) }),
  z.strictObject({ ...answer, results: z.array(model), totalResults: count }),
]);

// A member of a family is named after its parameter, so its next letter is a capital.
const code = z.custom<ErrorCode>(
  (value) => typeof value === 'string' && (Object.hasOwn(errors, value) || /^(missing|invalid)[A-Z]/.test(value)),
);

/** One item of `errors`. */
export const errorSchema = z.strictObject({
  code,
  message: z.string().min(1),
  parameter: z.string().optional(),
  type: z.string().optional(),
  documentation: url.optional(),
  taskUUID: z.string().optional(),
  taskType: z.string().optional(),
  min: z.number().optional(),
  max: z.union([z.number(), z.bigint()]).optional(),
  default: scalar.optional(),
  allowedValues: z.array(scalar).readonly().optional(),
  retryAfterMs: z.int().positive().optional(),
});

const figures = z.strictObject({
  count,
  spend: z.number().optional(),
  clientErrors: count.optional(),
  serverErrors: count.optional(),
  avgInferenceTime: count.optional(),
  p50InferenceTime: count.optional(),
  p90InferenceTime: count.optional(),
  p99InferenceTime: count.optional(),
});

const account = z.strictObject({
  ...answer,
  operation: z.string(),
  organizationName: z.string(),
  organizationUUID: uuid,
  balance: z.strictObject({ amount: z.number(), freeBalance: z.number(), currency: z.string() }),
  team: z.tuple([]),
  apiKeys: z.tuple([]),
  usage: z.strictObject({
    today: figures,
    last7Days: figures,
    last30Days: figures,
    total: figures,
    timeseries: z.array(figures.extend({ date: z.iso.date() })).optional(),
    model: z.array(figures.extend({ model: z.string() })).optional(),
    apiKey: z.array(figures.extend({ apiKey: uuid })).optional(),
  }),
});

const taskDetails = z.strictObject({
  ...answer,
  status: z.literal('success'),
  request: z.tuple([z.record(z.string(), z.unknown())]),
  response: z.strictObject({ data: z.array(imageResult).optional(), errors: z.tuple([errorSchema]).optional() }),
});

/** One item of `data`. */
export const resultSchema = z.union([ofTask, account, taskDetails]);

const oneTask = z
  .tuple([resultSchema], resultSchema)
  .refine((items) => new Set(items.map((item) => ('taskUUID' in item ? item.taskUUID : ''))).size === 1, {
    message: 'A frame has results of one task.',
  });

/** Every text frame of a server: data, errors or events, and never two of them. */
export const serverFrameSchema = z.union([
  z.strictObject({ data: oneTask }),
  z.strictObject({ events: z.tuple([eventSchema]) }),
  z
    .strictObject({ errors: z.tuple([errorSchema]), error: errorSchema.optional() })
    .refine(
      ({ errors: [only], error }) =>
        (error !== undefined) === (only.taskType === 'authentication') &&
        (only.taskType !== 'authentication' || only.taskUUID === undefined),
      { message: 'A refused authentication has both error keys and no taskUUID; other errors have one key.' },
    ),
]);

/** What the HTTP twin answers: results, or errors in both spellings beside the results that there are. */
export const httpReplySchema = z.union([
  z.strictObject({ data: z.array(resultSchema) }),
  z.strictObject({
    data: z.array(resultSchema).min(1).optional(),
    errors: z.array(errorSchema).min(1),
    error: errorSchema,
  }),
]);
