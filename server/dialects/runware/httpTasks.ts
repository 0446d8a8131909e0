import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { v4 as createUUID } from 'uuid';
import { TaskError, toHttpFailure } from '../../../protocol/errors.ts';
import type { TaskEvent } from '../../../protocol/events.ts';
import { stringifyJson } from '../../../protocol/json.ts';
import type { PreviewOptions } from '../../../protocol/previews.ts';
import { mimeType } from '../../../protocol/replies.ts';
import { parseRequest, parseTask, type Task } from '../../../protocol/tasks/index.ts';
import { networkOf } from '../../config/proxies.ts';
import type { Context } from '../../context.ts';
import { authorize, baseUrlOf, bearerOf } from '../../http/access.ts';
import { readBody } from '../../http/body.ts';
import { maxRequestBytes, strangerBytes } from '../../http/intake.ts';
import { sendBody, sendJson } from '../../http/reply.ts';
import type { Exchange } from '../../http/router.ts';
import type { ImageStore } from '../../images/store.ts';
import type { Caller } from '../../lifecycle/caller.ts';
import { toTaskError } from '../../lifecycle/errors.ts';
import { type Answer, itemOf, ResultReference, warned } from '../../lifecycle/results.ts';
import type { Claimant } from '../../queue/queue.ts';
import { handleTask } from '../../tasks/index.ts';

/** Collects the answers to one task of a POST. Ignores events. */
class HttpCaller implements Caller {
  /** Id of the request. */
  readonly id: string;
  readonly owner: string;
  readonly claimant: Claimant;
  readonly baseUrl: string;
  readonly previews: PreviewOptions | false = false;
  readonly progress = false;
  readonly pushes = false;
  // A client that polls over HTTP may take the first result for the end of the task.
  readonly tellsParts = false;
  readonly answers: Answer[] = [];
  readonly errors: TaskError[] = [];
  /** Ends of tasks that the reply waits for. */
  readonly ends: Promise<void>[] = [];

  constructor(id: string, claimant: Claimant, baseUrl: string) {
    this.id = id;
    this.owner = claimant.owner;
    this.claimant = claimant;
    this.baseUrl = baseUrl;
  }

  data(...answers: [Answer, ...Answer[]]): void {
    this.answers.push(...answers);
  }

  /** The image is read again for the reply: other results may take long. */
  result(result: ResultReference): void {
    this.answers.push(result);
  }

  awaits(ended: Promise<void>): void {
    this.ends.push(ended);
  }

  fail(error: TaskError): void {
    this.errors.push(error);
  }

  event(event: TaskEvent): void {
    // A request needs an answer; a socket gets only the event.
    if (event.event === 'cancelled') this.fail(new TaskError('taskCancelled').of(event));
  }

  holds(): boolean {
    return false;
  }

  forget(): void {}
}

/** Answers the tasks of a POST, in their order, when all of them have ended. */
export async function serveTasks({ request, response, context }: Exchange): Promise<void> {
  const { clock, intake, keys, proxies, config } = context;
  const address = proxies.addressOf(request);
  const network = networkOf(address);
  const bearer = bearerOf(request);
  // Before the body, so that unknown clients cause no work of reading and parsing.
  const known = bearer !== undefined || keys.open ? authorizeHeader(bearer, address, response, context) : undefined;
  const isStranger = known === undefined;
  const maxBytes = isStranger ? strangerBytes : maxRequestBytes(config.maxUploadBytes);
  const text = await readBody(request, response, { maxBytes, network, isStranger, intake, clock });
  const tasks = parseRequest(text).map((value): Task | TaskError => {
    try {
      return parseTask(value);
    } catch (error) {
      return toTaskError(error, context);
    }
  });
  const owner = known ?? authorize(keyIn(tasks), address, context);
  const requestId = createUUID();
  const baseUrl = baseUrlOf(request, context);
  // Separate requests must not enlarge a client's share of the machine.
  const claimant: Claimant = { kind: 'address', id: `${owner} at ${network}`, owner };
  const callers = tasks.map(() => new HttpCaller(requestId, claimant, baseUrl));
  // The client disconnected. Its tasks continue for a while, like those of a session, in case it asks again.
  response.once('close', () => {
    if (response.writableFinished) return;
    const abandon = () => {
      for (const caller of callers) context.records.abandon(caller);
    };
    context.clock.after(context.config.sessionKeepMs, abandon);
  });
  await Promise.all(
    tasks.map(async (task, index) => {
      const caller = callers[index]!;
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
  const answers: Answer[] = [];
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

/** The key in the leading authentication of a request. Throws the error of a malformed one. */
function keyIn(tasks: readonly (Task | TaskError)[]): string | undefined {
  const authentication = tasks.find(({ taskType }) => taskType === 'authentication');
  if (authentication instanceof TaskError) throw authentication;
  return authentication?.taskType === 'authentication' ? authentication.apiKey : undefined;
}

const success = { status: 200, body: {} };

async function isThere(answer: Answer, { store }: Context): Promise<boolean> {
  return !(answer instanceof ResultReference) || (await store.find(answer.item.imageUUID)) !== undefined;
}

/**
 * The text of a reply, in pieces: base64 is encoded while the reader reads, so the memory does not depend on the size
 * of the reply.
 */
async function* replyOf(
  rest: object,
  answers: readonly Answer[],
  { store }: Context,
): AsyncGenerator<string, void, undefined> {
  yield '{"data":[';
  for (const [index, answer] of answers.entries()) {
    if (index > 0) yield ',';
    if (answer instanceof ResultReference) yield* textOf(answer, store);
    else yield stringifyJson(answer);
  }
  const end = stringifyJson(rest).slice(1);
  yield end === '}' ? ']}' : `],${end}`;
}

/** A deleted image has only its URL. */
async function* textOf({ item, fields, format }: ResultReference, store: ImageStore): AsyncGenerator<string> {
  yield stringifyJson(item).slice(0, -1);
  for (const field of fields) {
    const image = await store.find(item.imageUUID);
    if (image === undefined) continue;
    yield `,"${field}":"${field === 'imageDataURI' ? `data:${mimeType(format)};base64,` : ''}`;
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of createReadStream(image.file) as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      // Three bytes are four characters; only the last group of a file may be shorter.
      const whole = bytes.length - (bytes.length % 3);
      rest = bytes.subarray(whole);
      yield bytes.toString('base64', 0, whole);
    }
    yield `${rest.toString('base64')}"`;
  }
  yield '}';
}

/** The body of a request refused by its header is not read. */
function authorizeHeader(
  bearer: string | undefined,
  address: string,
  response: ServerResponse,
  context: Context,
): string {
  try {
    return authorize(bearer, address, context);
  } catch (error) {
    response.setHeader('connection', 'close');
    throw error;
  }
}
