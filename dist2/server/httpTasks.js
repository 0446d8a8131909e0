import { createReadStream } from 'node:fs';
import { v4 as createUUID } from 'uuid';
import { TaskError, toHttpFailure } from '../protocol/errors.js';
import { stringifyJson } from '../protocol/json.js';
import { mimeType } from '../protocol/replies.js';
import { parseRequest, parseTask } from '../protocol/tasks/index.js';
import { authorize, baseUrlOf, bearerOf } from './access.js';
import { readBody } from './body.js';
import { maxRequestBytes, strangerBytes } from './intake.js';
import { networkOf } from './proxies.js';
import { sendBody, sendJson } from './reply.js';
import { itemOf, ResultReference, warned } from './results.js';
import { toTaskError } from './taskErrors.js';
import { handleTask } from './tasks/index.js';

/** Collects the answers to one task of a POST. Events have no place there. */
class HttpCaller {
  /** That of the request. */
  id;
  owner;
  claimant;
  baseUrl;
  previews = false;
  progress = false;
  pushes = false;
  // A client that polls over HTTP may take the first result for the end of the task.
  tellsParts = false;
  answers = [];
  errors = [];
  /** Ends of tasks that the reply waits for. */
  ends = [];
  constructor(id, claimant, baseUrl) {
    this.id = id;
    this.owner = claimant.owner;
    this.claimant = claimant;
    this.baseUrl = baseUrl;
  }
  data(...answers) {
    this.answers.push(...answers);
  }
  /** The image is read again when the reply is sent: other results may take long. */
  result(result) {
    this.answers.push(result);
  }
  awaits(ended) {
    this.ends.push(ended);
  }
  fail(error) {
    this.errors.push(error);
  }
  event(event) {
    // A request needs an answer; a socket gets the event alone.
    if (event.event === 'cancelled') this.fail(new TaskError('taskCancelled').of(event));
  }
  holds() {
    return false;
  }
  forget() {}
}
/** Answers the tasks of a POST, in their order, when all of them have ended. */
export async function serveTasks(request, response, context) {
  const { clock, intake, keys, proxies, config } = context;
  const address = proxies.addressOf(request);
  const network = networkOf(address);
  const bearer = bearerOf(request);
  // Before the body: reading and parsing it is work that is not done for strangers.
  const known = bearer !== undefined || keys.open ? authorizeHeader(bearer, address, response, context) : undefined;
  const isStranger = known === undefined;
  const maxBytes = isStranger ? strangerBytes : maxRequestBytes(config.maxUploadBytes);
  const text = await readBody(request, response, { maxBytes, network, isStranger, intake, clock });
  const tasks = parseRequest(text).map((value) => {
    try {
      return parseTask(value);
    } catch (error) {
      return toTaskError(error, context);
    }
  });
  const owner = known ?? authorize(keyIn(tasks), address, context);
  const requestId = createUUID();
  const baseUrl = baseUrlOf(request, context);
  // A request of its own for each task must not make a client's part of the machine larger.
  const claimant = { kind: 'address', id: `${owner} at ${network}`, owner };
  const callers = tasks.map(() => new HttpCaller(requestId, claimant, baseUrl));
  // The client has gone. Its tasks go on for a while, as those of a session do, in case it asks for them again.
  response.once('close', () => {
    if (response.writableFinished) return;
    const abandon = () => {
      for (const caller of callers) context.records.abandon(caller);
    };
    context.clock.after(context.config.sessionKeepMs, abandon);
  });
  await Promise.all(
    tasks.map(async (task, index) => {
      const caller = callers[index];
      if (task instanceof TaskError) {
        context.usage.refused(owner, task);
        caller.fail(task);
      } else if (task.taskType === 'ping') caller.data({ taskType: 'ping', pong: true });
      else if (task.taskType === 'authentication') {
        caller.data({ taskType: 'authentication', connectionSessionUUID: requestId, ...warned(task) });
      } else {
        await handleTask(task, caller, context).catch((error) => caller.fail(toTaskError(error, context).of(task)));
        await Promise.all(caller.ends);
      }
    }),
  );
  const answers = [];
  for (const caller of callers) {
    for (const answer of caller.answers) {
      // Now, because the status is sent before the images are read.
      if (await isThere(answer, context)) answers.push(answer);
      else caller.fail(new TaskError('mediaNotFound').of(itemOf(answer)));
    }
  }
  const [first, ...others] = callers.flatMap((caller) => caller.errors);
  const { status, body: failure } = first === undefined ? success : toHttpFailure([first, ...others]);
  const retryAfterMs = first?.details.retryAfterMs;
  if (retryAfterMs !== undefined) response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000));
  const isWhole = answers.every((answer) => !(answer instanceof ResultReference));
  if (isWhole) {
    const data = answers.map(itemOf);
    const body = first === undefined || data.length > 0 ? { data, ...failure } : failure;
    return await sendJson(response, status, body, clock);
  }
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  await sendBody(response, replyOf(failure, answers, context), clock);
}
/** The key in the first authentication of a request. Throws the error of one that was written wrong. */
function keyIn(tasks) {
  const authentication = tasks.find(({ taskType }) => taskType === 'authentication');
  if (authentication instanceof TaskError) throw authentication;
  return authentication?.taskType === 'authentication' ? authentication.apiKey : undefined;
}
const success = { status: 200, body: {} };
async function isThere(answer, { store }) {
  return !(answer instanceof ResultReference) || (await store.find(answer.item.imageUUID)) !== undefined;
}
/**
 * The text of a reply, in pieces: base64 is made while its reader takes it, so a reply of any size costs no memory, read or
 * not.
 */
async function* replyOf(rest, answers, { store }) {
  yield '{"data":[';
  for (const [index, answer] of answers.entries()) {
    if (index > 0) yield ',';
    if (answer instanceof ResultReference) yield* textOf(answer, store);
    else yield stringifyJson(answer);
  }
  const end = stringifyJson(rest).slice(1);
  yield end === '}' ? ']}' : `],${end}`;
}
/** Of an image that is deleted meanwhile there is the URL, which says so. */
async function* textOf({ item, fields, format }, store) {
  yield stringifyJson(item).slice(0, -1);
  for (const field of fields) {
    const image = await store.find(item.imageUUID);
    if (image === undefined) continue;
    yield `,"${field}":"${field === 'imageDataURI' ? `data:${mimeType(format)};base64,` : ''}`;
    let rest = Buffer.alloc(0);
    for await (const chunk of createReadStream(image.file)) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      // Three bytes are four characters; only the last ones of a file may be fewer.
      const whole = bytes.length - (bytes.length % 3);
      rest = bytes.subarray(whole);
      yield bytes.toString('base64', 0, whole);
    }
    yield `${rest.toString('base64')}"`;
  }
  yield '}';
}
/** A request that is refused for its header is not read any further. */
function authorizeHeader(bearer, address, response, context) {
  try {
    return authorize(bearer, address, context);
  } catch (error) {
    response.setHeader('connection', 'close');
    throw error;
  }
}
//# sourceMappingURL=httpTasks.js.map
