import type { IncomingMessage } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import { type ErrorFrame, TaskError, toErrorFrame } from '../protocol/errors.ts';
import { stringifyJson } from '../protocol/json.ts';
import { type DataFrame, dataFrame, type MayWarn } from '../protocol/replies.ts';
import type { AuthenticationTask } from '../protocol/tasks/authentication.ts';
import { parseRequest, parseTask } from '../protocol/tasks/index.ts';
import { authorize, baseUrlOf } from './access.ts';
import type { Context } from './context.ts';
import { warned } from './results.ts';
import type { Session } from './session.ts';
import { toTaskError } from './taskErrors.ts';
import { handleTask } from './tasks/index.ts';

/** How often a silent client is asked whether it is there; after two unanswered asks its socket is cut. */
const heartbeatMs = 45_000;
/** How long a socket may stay without a key where one is needed. */
const authenticationMs = 30_000;
/** Longest frame that is read from a socket without a key, where one is needed: parsing is work done for strangers. */
const strangerBytes = 64 * 1024;

/** Serves one open socket until it closes: reads tasks, and gives each to its handler on behalf of the session. */
export function serveConnection(
  socket: WebSocket,
  request: IncomingMessage,
  context: Context,
  onKnown: () => void = () => {},
): void {
  const { keys, sessions, log, clock } = context;
  const address = context.proxies.addressOf(request);
  const baseUrl = baseUrlOf(request, context);
  // Without keys there is nothing to wait for: tasks may come first.
  const owner = keys.ownerOf(undefined);
  let session = owner === undefined ? undefined : sessions.create(owner, baseUrl);
  if (session !== undefined) sessions.attach(session, socket);
  // Nobody comes back to a session that nobody was told of and that has no tasks.
  let isWanted = false;
  let missedBeats = 0;

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
    session?.ponged(socket, data.toString());
  });
  socket.on('error', (error) => log.debug({ address, reason: error.message }, 'A socket failed.'));
  socket.on('close', () => {
    heartbeat.cancel();
    authenticating.cancel();
    leave();
  });
  socket.on('message', (data, isBinary) => {
    alive();
    if (isBinary) return reply(toErrorFrame(new TaskError('invalidRequest', { message: 'Tasks are sent as text.' })));
    const text = textOf(data);
    if (session === undefined && text.length > strangerBytes) return socket.close(1008, 'missingApiKey');
    let values: unknown[];
    try {
      values = parseRequest(text);
    } catch (error) {
      return reply(toErrorFrame(toTaskError(error, context)));
    }
    for (const value of values) receive(value);
  });

  function receive(value: unknown): void {
    try {
      const task = parseTask(value);
      if (task.taskType === 'ping') reply(dataFrame({ taskType: 'ping', pong: true }));
      else if (task.taskType === 'authentication') authenticate(task);
      else if (session === undefined) throw new TaskError('missingApiKey').of(task);
      else {
        const caller = session;
        isWanted = true;
        void handleTask(task, caller, context).catch((error) => caller.fail(toTaskError(error, context).of(task)));
      }
    } catch (error) {
      const failure = toTaskError(error, context);
      if (session === undefined || failure.taskType === 'authentication') reply(toErrorFrame(failure));
      else session.fail(failure);
    }
  }

  function authenticate(task: AuthenticationTask & MayWarn): void {
    let owner: string;
    try {
      owner = authorize(task.apiKey ?? '', address, context);
    } catch (error) {
      reply(toErrorFrame(toTaskError(error, context)));
      // 1008: policy violation. The reply is on its way before the close frame.
      socket.close(1008, 'invalidApiKey');
      return;
    }
    onKnown();
    const next = sessions.find(task.connectionSessionUUID, owner) ?? ownSession(owner);
    next.baseUrl = baseUrl;
    if (task.previews !== undefined) next.previews = task.previews;
    if (task.progress !== undefined) next.progress = task.progress;
    reply(dataFrame({ taskType: 'authentication', connectionSessionUUID: next.id, ...warned(task) }));
    if (next !== session) {
      leave();
      session = next;
      // After the reply, which clients expect first: sends what the last socket of the session did not deliver.
      sessions.attach(next, socket);
    }
    isWanted = true;
  }

  function leave(): void {
    if (session === undefined) return;
    if (isWanted) sessions.detach(session, socket);
    else sessions.discard(session, socket);
  }

  function ownSession(owner: string): Session {
    return session?.owner === owner ? session : sessions.create(owner, baseUrl);
  }

  /** For what concerns this socket and not the session: nobody misses it on another one. */
  function reply(frame: DataFrame | ErrorFrame): void {
    socket.send(stringifyJson(frame), () => {});
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return Buffer.isBuffer(data) ? data.toString() : Buffer.from(data).toString();
}
