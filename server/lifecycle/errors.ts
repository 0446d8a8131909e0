import { type ErrorCode, parameterCode, TaskError } from '../../protocol/errors.ts';
import { RuntimeError } from '../../runtime/index.ts';
import type { Logger } from '../log.ts';

/** Converts any error to a TaskError. An unknown error is logged in full and sent without its message. */
export function toTaskError(error: unknown, { log }: { log: Logger }): TaskError {
  if (error instanceof TaskError) return error;
  if (error instanceof RuntimeError) return fromRuntime(error);
  log.error({ err: error }, 'Unhandled error while running a task.');
  return new TaskError('internalServerError', { cause: error });
}

/** Protocol names of the fields of `GenerateRequest`, at any depth. */
const wireNames: Record<string, string> = {
  prompt: 'positivePrompt',
  prompt2: 'positivePrompt2',
  guidanceScale: 'CFGScale',
  trueGuidanceScale: 'trueCFGScale',
  guidanceNormalization: 'CFGNormalization',
  guidanceTruncation: 'CFGTruncation',
  references: 'referenceImages',
  image: 'seedImage',
  mask: 'maskImage',
  loras: 'lora',
  controlNets: 'controlNet',
  imagePrompts: 'ipAdapters',
  deepCache: 'acceleratorOptions.deepCache',
  firstBlockCache: 'acceleratorOptions.fbCache',
  mode: 'controlMode',
  pixels: 'guideImage',
  path: 'model',
  tinyDecoder: 'decoder',
};

function fromRuntime(error: RuntimeError): TaskError {
  const { code, message, cause, max, retryAfterMs } = error;
  const parameter = error.parameter?.replace(/[A-Za-z]\w*/g, (name) => wireNames[name] ?? name);
  const wireCode: ErrorCode =
    code === 'invalidParameter' && parameter !== undefined ? parameterCode('invalid', parameter) : code;
  return new TaskError(wireCode, {
    ...{ message, parameter, cause, retryAfterMs, max },
    ...(max !== undefined && { type: 'integer' }),
  });
}
