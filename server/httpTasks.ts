import type { IncomingMessage, ServerResponse } from 'node:http';
import { v4 as createUUID } from 'uuid';
import { TaskError, toHttpFailure } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import type { ResultItem } from '../protocol/replies.ts';
import { parseRequest, parseTask, type Task } from '../protocol/tasks/index.ts';
import { authorize, baseUrlOf, bearerOf } from './access.ts';
import { readBody } from './body.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import type { EncodedImage } from './images/encodedImage.ts';
import { maxRequestBytes, strangerBytes } from './intake.ts';
import { networkOf } from './proxies.ts';
import type { Claimant } from './queue.ts';
import { sendJson } from './reply.ts';
import { type Answer, type ResultReference, readWhole } from './results.ts';
import { toTaskError } from './taskErrors.ts';
import { handleTask } from './tasks/index.ts';

/** Collects the answers to one task of a POST. Events have no place there. */
class HttpCaller implements Caller {
  /** That of the request. */
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

  result(result: ResultReference, image: EncodedImage): void {
    this.answers.push(result.whole(image));
  }

  awaits(ended: Promise<void>): void {
    this.ends.push(ended);
  }

  fail(error: TaskError): void {
    this.errors.push(error);
  }

  event(event: TaskEvent): void {
    // Here somebody waits for an answer, so unlike on a socket there has to be one.
    if (event.event === 'cancelled') this.fail(new TaskError('taskCancelled').of(event));
  }

  holds(): boolean {
    return false;
  }

  forget(): void {}
}

/** Answers the tasks of a POST, in their order, when all of them have ended. */
export async function serveTasks(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const { clock, intake, keys, proxies, config } = context;
  const address = proxies.addressOf(request);
  const network = networkOf(address);
  const bearer = bearerOf(request);
  // Before the body: reading and parsing it is work that is not done for strangers.
  const known = bearer !== undefined || keys.open ? authorizeHeader(bearer, address, response, context) : undefined;
  const isStranger = known === undefined;
  const maxBytes = isStranger ? strangerBytes : maxRequestBytes(config.maxUploadBytes);
  using body = await readBody(request, response, { maxBytes, network, isStranger, intake, clock });
  const tasks = parseRequest(body.text).map((value): Task | TaskError => {
    try {
      return parseTask(value);
    } catch (error) {
      return toTaskError(error, context);
    }
  });
  const authentication = tasks.find((task) => !(task instanceof TaskError) && task.taskType === 'authentication');
  const owner = known ?? authorize((authentication as { apiKey?: string } | undefined)?.apiKey, address, context);
  const requestId = createUUID();
  const baseUrl = baseUrlOf(request, context);
  // A request of its own for each task must not make a client's part of the machine larger.
  const claimant: Claimant = { kind: 'address', id: `${owner} at ${network}`, owner };
  const callers = tasks.map(() => new HttpCaller(requestId, claimant, baseUrl));
  // Nobody reads the answer any more. Like a session, its tasks wait a while for somebody to ask for them again.
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
        caller.data({ taskType: 'authentication', connectionSessionUUID: requestId });
      } else {
        await handleTask(task, caller, context).catch((error) => caller.fail(toTaskError(error, context).of(task)));
        await Promise.all(caller.ends);
      }
    }),
  );
  const items: ResultItem[] = [];
  for (const caller of callers) {
    try {
      for (const answer of caller.answers) items.push(await readWhole(answer, context.store));
    } catch (error) {
      caller.fail(toTaskError(error, context));
    }
  }
  const [first, ...others] = callers.flatMap((caller) => caller.errors);
  if (first === undefined) return await sendJson(response, 200, { data: items }, clock);
  const { status, body: failure } = toHttpFailure([first, ...others], items);
  const { retryAfterMs } = first.details;
  if (retryAfterMs !== undefined) response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000));
  await sendJson(response, status, failure, clock);
}

/** A request that is refused for its header is not read any further. */
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
