import { TaskError, toErrorFrame } from '../protocol/errors.js';
import { stringifyJson } from '../protocol/json.js';
import { dataFrame } from '../protocol/replies.js';
import { parseRequest, parseTask, scanRequest } from '../protocol/tasks/index.js';
import { authorize, baseUrlOf } from './access.js';
import { ClientSocket, fullBytes, slowReaderCode } from './clientSocket.js';
import { strangerBytes } from './intake.js';
import { warned } from './results.js';
import { toTaskError } from './taskErrors.js';
import { handleTask } from './tasks/index.js';

/** How often a silent client is asked whether it is there; after two unanswered asks its socket is cut. */
const heartbeatMs = 45_000;
/** How long a socket may stay without a key where one is needed. */
const authenticationMs = 30_000;
/** Tasks of one socket that are looked at in one turn of the event loop. */
const tasksPerTurn = 100;
/** Tasks of one socket that are neither answered nor taken, beyond which no more are read. */
const maxUnanswered = 100;
/** Bytes of tasks of one socket that are neither answered nor taken, beyond which no more are read. */
const maxHeldBytes = 16 * 2 ** 20;
/** Serves one open socket until it closes: reads tasks, and gives each to its handler on behalf of the session. */
export function serveConnection(socket, request, context, onKnown = () => {}) {
  const { keys, sessions, log, clock } = context;
  const address = context.proxies.addressOf(request);
  const baseUrl = baseUrlOf(request, context);
  // Without keys there is nothing to wait for: tasks may come first.
  const owner = keys.ownerOf(undefined);
  const client = new ClientSocket(socket, { clock, slowReaderMs: context.config.slowReaderMs, slow, room: workAgain });
  const pushes = isPushedTo(request);
  let session;
  if (owner === undefined) client.maxWaiting = strangerBytes;
  else {
    session = ownSession(owner);
    sessions.attach(session, client);
  }
  // Nobody comes back to a session that nobody was told of and that has no tasks.
  let isWanted = false;
  let missedBeats = 0;
  /** Frames that arrived and were not looked at, those that are no request as their error; and the rest of one that was. */
  const unread = [];
  let values;
  /** `later`: when there is room for answers again. */
  let reading = 'idle';
  let unanswered = 0;
  /** Of the frames that unanswered tasks came in: an upload holds its image as text until it has its turn. */
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
    // Where this side found a frame too large, the code is its own, sent back.
    if (code === 1009 && !failed) session?.refused(client);
    leave();
  });
  socket.on('message', (data, isBinary) => {
    alive();
    // What still arrives on a socket that is closing comes again on the next one.
    if (!client.isOpen) return;
    unread.push(isBinary ? new TaskError('invalidRequest', { message: 'Tasks are sent as text.' }) : textOf(data));
    if (reading === 'idle') work();
  });
  /**
   * Takes tasks out of what was read: none while too much waits for the reader or too many of them are unanswered, and only
   * so many in one turn of the event loop. Meanwhile nothing is read, so that little is unread here.
   */
  function work() {
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
  function workAgain() {
    if (reading === 'later') work();
  }
  function takeOne() {
    if (values === undefined) {
      const text = unread.shift();
      const tasks = parse(text);
      values = tasks?.values();
      bytesPerTask = text instanceof TaskError ? 0 : text.length / Math.max(1, tasks?.length ?? 0);
      return;
    }
    const { done, value } = values.next();
    if (done) values = undefined;
    else receive(value);
  }
  function parse(text) {
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
  function receive(value) {
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
  function authenticate(task) {
    let owner;
    try {
      owner = authorize(task.apiKey ?? '', address, context);
    } catch (error) {
      reply(toErrorFrame(toTaskError(error, context)));
      // 1008: policy violation. The reply is on its way before the close frame.
      client.close(1008, 'invalidApiKey');
      // Nothing behind a wrong key is looked at.
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
      // After the reply, which clients expect first: sends what the last socket of the session did not deliver.
      sessions.attach(next, client);
    }
    isWanted = true;
  }
  function leave() {
    if (session === undefined) return;
    if (isWanted) sessions.detach(session, client);
    else sessions.discard(session, client);
  }
  function ownSession(owner) {
    if (session?.owner === owner) return session;
    const created = sessions.create(owner, baseUrl);
    created.pushes = pushes;
    return created;
  }
  /** The session keeps what the reader did not take, and may be resumed at once. */
  function slow() {
    log.info({ address, session: session?.id }, 'A client reads too slowly. Its socket is closed.');
    leave();
    unread.length = 0;
    values = undefined;
    client.close(slowReaderCode, 'slowReader');
  }
  /** For what concerns this socket and not the session: nobody misses it on another one. */
  function reply(frame) {
    if (client.isOpen) client.send(stringifyJson(frame));
  }
}
/**
 * Whether results of asynchronous tasks are pushed to this client where it does not say. The older official Python client
 * waits half a minute for them after its first poll. The others poll, and take a pushed result for the answer to a poll.
 */
function isPushedTo({ headers }) {
  return headers['x-sdk-name'] === 'python';
}
/** The text of a frame; an error where it holds more than a request may, which is found without making text of it. */
function textOf(data) {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
  try {
    scanRequest()(bytes);
  } catch (error) {
    return error;
  }
  return bytes.toString();
}
//# sourceMappingURL=connection.js.map
