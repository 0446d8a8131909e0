/** The protocol: what both ends agree on. PROTOCOL.md is the text, this is the list of public names. */
export { MAX_CONTROL_NETS, MAX_WEIGHTED_MODELS } from './companions.js';
export { errors, parameterCode, rowOf, TaskError, toErrorFrame, toHttpFailure } from './errors.js';
export { decodeFrame, encodeFrame, FrameError, MAX_HEADER_BYTES } from './frames.js';
export { parseImageReference } from './images.js';
export { parseJson, stringifyJson } from './json.js';
export { dataFrame, eventFrame, mimeType } from './replies.js';
export { errorSchema, eventSchema, httpReplySchema, resultSchema, serverFrameSchema } from './replySchemas.js';
export { stepRange } from './steps.js';
export { BLANK_PROMPT, MAX_SEED } from './tasks/imageInference.js';
export { MAX_TASKS_PER_REQUEST, parseRequest, parseTask, tasks } from './tasks/index.js';
//# sourceMappingURL=index.js.map
