import { parameterCode, TaskError } from '../../protocol/errors.ts';
import { stringifyJson } from '../../protocol/json.ts';
import type { MayWarn } from '../../protocol/replies.ts';
import type { Size } from '../../protocol/sizes.ts';
import type { UpscaleTask } from '../../protocol/tasks/upscale.ts';
import type { Pixels, UpscaleRequest } from '../../runtime/index.ts';
import { findUpscaler } from '../catalog/upscalers.ts';
import type { Context } from '../context.ts';
import { decodeImage, readHeader, sniffFormat } from '../images/decode.ts';
import type { Embedded } from '../images/embed.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { storeImage, useImage } from '../lifecycle/images.ts';
import type { PreparedRuns, TaskPlan } from '../lifecycle/job.ts';
import { makeResults } from '../lifecycle/life.ts';
import { packageVersion } from '../packageRoot.ts';

/** Of a result. */
const mostPixels = 4096 ** 2;

/** How many times as wide and high `targetMegapixels` may make a picture. */
const mostTimes = 8;

/** Enlarges one picture, by a network or by interpolation. */
export function upscale(task: UpscaleTask & MayWarn, caller: Caller, context: Context): Promise<void> {
  return makeResults({ ...task, numberResults: 1 }, caller, context, async (): Promise<TaskPlan> => {
    const { air, path, model } = await findUpscaler(task.model, context.catalog);
    const previews = task.previews ?? caller.previews;
    const progress = task.progress ?? caller.progress;
    const settings = { model: air, ...targetOf(task), ...deliveryOf(task) };
    return {
      ...{ air, model, previews, progress, warnings: [], settings },
      steps: 1,
      async prepare(signal): Promise<PreparedRuns> {
        const { image, inputImageUUID, size } = await read(task, signal, caller, context);
        const request: UpscaleRequest = {
          kind: 'upscale',
          model: path,
          image,
          ...size,
          ...(previews !== false && { previews: { every: previews.every } }),
          progress,
        };
        const run = {
          request,
          origin: { inputImageUUID },
          finish: async (pixels: Pixels) => pixels,
          recipe: () => recipeOf(task, air, inputImageUUID, size),
        };
        return { settings: { ...settings, ...size }, runs: [run] };
      },
    };
  });
}

/** The picture, its size after the task, and its UUID; one without UUID is stored now. */
async function read(
  task: UpscaleTask,
  signal: AbortSignal,
  caller: Caller,
  context: Context,
): Promise<{ image: Pixels; inputImageUUID: string; size: Size }> {
  const { inputImage, parameter } = task;
  const { image, size, bytes } = await useImage(
    inputImage,
    parameter,
    caller,
    context,
    async (bytes, limits) => {
      const size = sizeOf(task, await readHeader(bytes, limits));
      return { bytes, size, image: await decodeImage(bytes, limits) };
    },
    signal,
  );
  if (inputImage.kind === 'uuid') return { image, size, inputImageUUID: inputImage.uuid };
  signal.throwIfAborted();
  const options = { owner: caller.owner, ...(task.ttl !== undefined && { ttlSeconds: task.ttl }) };
  const { imageUUID } = await storeImage(bytes, sniffFormat(bytes), options, context);
  return { image, size, inputImageUUID: imageUUID };
}

/** Throws a TaskError for a result that is too large, or not larger than the picture. */
function sizeOf({ target }: UpscaleTask, { width, height }: Size): Size {
  const factor = 'factor' in target ? target.factor : undefined;
  const megapixels = 'factor' in target ? undefined : target.megapixels;
  const parameter = factor === undefined ? 'targetMegapixels' : 'upscaleFactor';
  const scale = factor ?? Math.sqrt((megapixels! * 1e6) / (width * height));
  const refuse = (message: string): never => {
    throw new TaskError(parameterCode('invalid', parameter), {
      message,
      parameter,
      type: factor === undefined ? 'number' : 'integer',
    });
  };
  if (scale < 1)
    refuse(`The picture has ${width}×${height} pixels, which is more than ${megapixels} megapixels already.`);
  if (scale > mostTimes) {
    refuse(
      `The picture has only ${width}×${height} pixels; the server enlarges at most ${mostTimes} times on each side.`,
    );
  }
  const size = {
    width: Math.max(width, Math.round(width * scale)),
    height: Math.max(height, Math.round(height * scale)),
  };
  if (size.width * size.height > mostPixels) {
    refuse(
      `A result of ${size.width}×${size.height} pixels is too large for this server: at most ${mostPixels} pixels.`,
    );
  }
  return size;
}

function targetOf({ target }: UpscaleTask): Record<string, number> {
  return 'factor' in target ? { upscaleFactor: target.factor } : { targetMegapixels: target.megapixels };
}

function deliveryOf({ outputType, outputFormat, deliveryMethod }: UpscaleTask): Record<string, unknown> {
  return { outputType, outputFormat, deliveryMethod };
}

/** Metadata for the file of the result. */
function recipeOf(task: UpscaleTask, air: string, inputImage: string, { width, height }: Size): Embedded {
  const quoted = JSON.stringify(air);
  return {
    parameters: `Upscaler: ${quoted}, Size: ${width}x${height}, Version: latentwire ${packageVersion}`,
    json: stringifyJson({ taskType: task.taskType, model: air, inputImage, ...targetOf(task) }),
  };
}
