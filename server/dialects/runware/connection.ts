import type { IncomingMessage } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import { type ErrorFrame, TaskError, toErrorFrame } from '../../../protocol/errors.ts';
import { stringifyJson } from '../../../protocol/json.ts';
import { type DataFrame, dataFrame, type MayWarn } from '../../../protocol/replies.ts';
import type { AuthenticationTask } from '../../../protocol/tasks/authentication.ts';
import { parseRequest, parseTask, scanRequest } from '../../../protocol/tasks/index.ts';
import type { Context } from '../../context.ts';
import { authorize, baseUrlOf } from '../../http/access.ts';
import { strangerBytes } from '../../http/intake.ts';
import { toTaskError } from '../../lifecycle/errors.ts';
import { warned } from '../../lifecycle/results.ts';
import { ClientSocket, fullBytes, slowReaderCode } from '../../sessions/clientSocket.ts';
import type { Session } from '../../sessions/session.ts';
import { handleTask } from '../../tasks/index.ts';

/** Interval of pings to a silent client; after two without pong its socket is closed. */
const heartbeatMs = 45_000;
/** How long a socket may stay open without a required key. */
const authenticationMs = 30_000;
/** Tasks of one socket handled in one turn of the event loop. */
const tasksPerTurn = 100;
/** Above this number of tasks that are neither answered nor accepted, nothing more is read from a socket. */
const maxUnanswered = 100;
/** The same in bytes. */
const maxHeldBytes = 16 * 2 ** 20;

/** Serves one socket until it closes: reads tasks and passes each to its handler on behalf of the session. */
export function serveConnection(
  socket: WebSocket,
  request: IncomingMessage,
  context: Context,
  onKnown: () => void = () => {},
): void {
  const { keys, sessions, log, clock } = context;
  const address = context.proxies.addressOf(request);
  const baseUrl = baseUrlOf(request, context);
  // Without keys, tasks may come before authentication.
  const owner = keys.ownerOf(undefined);
  const client = new ClientSocket(socket, { clock, slowReaderMs: context.config.slowReaderMs, slow, room: workAgain });
  const pushes = isPushedTo(request);
  let session: Session | undefined;
  if (owner === undefined) client.maxWaiting = strangerBytes;
  else {
    session = ownSession(owner);
    sessions.attach(session, client);
  }
  // Whether the session is kept after its socket closes: only if it has tasks or its client knows its UUID.
  let isWanted = false;
  let missedBeats = 0;
  /** Unhandled frames, invalid ones as their error; and the rest of a partly handled one. */
  const unread: (string | TaskError)[] = [];
  let values: Iterator<unknown> | undefined;
  /** `later`: when more answers fit. */
  let reading: 'idle' | 'now' | 'later' = 'idle';
  let unanswered = 0;
  /** Bytes of the frames of unanswered tasks: an upload keeps its image as text until its turn. */
  let heldBytes = 0;
  let bytesPerTask = 0;

  const heartbeat = clock.every(heartbeatMs, () => {
    if (missedBeats++ >= 2) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.ping();
  });
  const authenticating = clock.after(authenticationMs, () => {
    if (session === undefined) socket.close(1008, 'missingApiKey');
  });
  const alive = () => {
    missedBeats = 0;
  };
  socket.on('ping', alive);
  socket.on('pong', (data) => {
    alive();
    session?.ponged(client, data.toString());
  });
  let failed = false;
  socket.on('error', (error) => {
    failed = true;
    log.debug({ address, reason: error.message }, 'A socket failed.');
  });
  socket.on('close', (code) => {
    heartbeat.cancel();
    authenticating.cancel();
    // If this side found a frame too large, the close code is its own, echoed.
    if (code === 1009 && !failed) session?.refused(client);
    leave();
  });
  socket.on('message', (data, isBinary) => {
    alive();
    // Frames on a closing socket come again on the next one.
    if (!client.isOpen) return;
    unread.push(isBinary ? new TaskError('invalidRequest', { message: 'Tasks are sent as text.' }) : textOf(data));
    if (reading === 'idle') work();
  });

  /**
   * Handles the tasks of received frames, with back-pressure: none while too much waits for the reader or too many
   * tasks are unanswered, and a limited number in one turn of the event loop. The socket is not read meanwhile.
   */
  function work(): void {
    if (reading === 'now') return;
    reading = 'now';
    for (let taken = 0; values !== undefined || unread.length > 0; taken++) {
      if (taken === tasksPerTurn) {
        client.hold();
        setImmediate(() => {
          reading = 'idle';
          work();
        });
        return;
      }
      if (client.isFull || unanswered >= maxUnanswered || heldBytes >= maxHeldBytes) {
        reading = 'later';
        client.hold();
        return;
      }
      takeOne();
    }
    reading = 'idle';
    client.release();
  }

  function workAgain(): void {
    if (reading === 'later') work();
  }

  function takeOne(): void {
    if (values === undefined) {
      const text = unread.shift()!;
      const tasks = parse(text);
      values = tasks?.values();
      bytesPerTask = text instanceof TaskError ? 0 : text.length / Math.max(1, tasks?.length ?? 0);
      return;
    }
    const { done, value } = values.next();
    if (done) values = undefined;
    else receive(value);
  }

  function parse(text: string | TaskError): unknown[] | undefined {
    try {
      if (text instanceof TaskError) throw text;
      if (session === undefined && text.length > strangerBytes) {
        client.close(1008, 'missingApiKey');
        unread.length = 0;
        return undefined;
      }
      return parseRequest(text);
    } catch (error) {
      reply(toErrorFrame(toTaskError(error, context)));
      return undefined;
    }
  }

  function receive(value: unknown): void {
    try {
      const task = parseTask(value);
      if (task.taskType === 'ping') reply(dataFrame({ taskType: 'ping', pong: true }));
      else if (task.taskType === 'authentication') authenticate(task);
      else if (session === undefined) throw new TaskError('missingApiKey').of(task);
      else {
        const caller = session;
        isWanted = true;
        unanswered++;
        const bytes = bytesPerTask;
        heldBytes += bytes;
        void handleTask(task, caller, context)
          .catch((error) => caller.fail(toTaskError(error, context).of(task)))
          .finally(() => {
            unanswered--;
            heldBytes -= bytes;
            workAgain();
          });
      }
    } catch (error) {
      const failure = toTaskError(error, context);
      if (session === undefined || failure.taskType === 'authentication') reply(toErrorFrame(failure));
      else {
        context.usage.refused(session.owner, failure);
        session.fail(failure);
      }
    }
  }

  function authenticate(task: AuthenticationTask & MayWarn): void {
    let owner: string;
    try {
      owner = authorize(task.apiKey ?? '', address, context);
    } catch (error) {
      reply(toErrorFrame(toTaskError(error, context)));
      // 1008: policy violation. The reply precedes the close frame.
      client.close(1008, 'invalidApiKey');
      // Tasks after a wrong key are ignored.
      unread.length = 0;
      values = undefined;
      return;
    }
    onKnown();
    const next = sessions.find(task.connectionSessionUUID, owner) ?? ownSession(owner);
    next.baseUrl = baseUrl;
    next.pushes = task.push ?? pushes;
    client.maxWaiting = fullBytes;
    if (task.previews !== undefined) next.previews = task.previews;
    if (task.progress !== undefined) next.progress = task.progress;
    reply(dataFrame({ taskType: 'authentication', connectionSessionUUID: next.id, ...warned(task) }));
    if (next !== session) {
      leave();
      session = next;
      // After the reply, which clients expect first: sends the undelivered frames of the session.
      sessions.attach(next, client);
    }
    isWanted = true;
  }

  function leave(): void {
    if (session === undefined) return;
    if (isWanted) sessions.detach(session, client);
    else sessions.discard(session, client);
  }

  function ownSession(owner: string): Session {
    if (session?.owner === owner) return session;
    const created = sessions.create(owner, baseUrl);
    created.pushes = pushes;
    return created;
  }

  /** The session keeps the unread frames and can be resumed at once. */
  function slow(): void {
    log.info({ address, session: session?.id }, 'A client reads too slowly. Its socket is closed.');
    leave();
    unread.length = 0;
    values = undefined;
    client.close(slowReaderCode, 'slowReader');
  }

  /** For messages about this socket, which are not kept for the session. */
  function reply(frame: DataFrame | ErrorFrame): void {
    if (client.isOpen) client.send(stringifyJson(frame));
  }
}

/**
 * Default of `push`. The older official Python client waits half a minute for results after its first poll. The other
 * clients poll, and would take a pushed result for the answer to a poll.
 */
function isPushedTo({ headers }: IncomingMessage): boolean {
  return headers['x-sdk-name'] === 'python';
}

/**
 * The text of a frame, or an error if it has more bytes than a request may have. The size is checked before decoding.
 */
function textOf(data: RawData): string | TaskError {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
  try {
    scanRequest()(bytes);
  } catch (error) {
    return error as TaskError;
  }
  return bytes.toString();
}
