/**
 * What a server sends, as types and as the few functions that build frames. Every rule of these functions is a client
 * that breaks without it. Browsers import this file: no zod, no node modules.
 */
const FORBIDDEN_KEYS = ['code', 'error', 'errorId'];
/**
 * A frame of results. Several only as the cumulative answer to getResponse, and then of one task: JS clients give every
 * item of a frame to every task that has one in it.
 *
 * Throws a TypeError where a rule is broken, because a frame that breaks one makes clients wait for a minute elsewhere.
 */
export function dataFrame(...items) {
  const taskUUID = taskUUIDOf(items[0]);
  for (const item of items) {
    if (taskUUIDOf(item) !== taskUUID) throw new TypeError('A frame carries results of one task.');
    const forbidden = FORBIDDEN_KEYS.find((key) => Object.hasOwn(item, key));
    if (forbidden !== undefined)
      throw new TypeError(`A result has no key "${forbidden}": clients take it for an error.`);
  }
  return { data: items };
}
/** A frame with one event. */
export function eventFrame(event) {
  return { events: [event] };
}
/** The media type of a format, for data URIs and HTTP. */
export function mimeType(format) {
  return format === 'JPG' ? 'image/jpeg' : format === 'PNG' ? 'image/png' : 'image/webp';
}
function taskUUIDOf(item) {
  return 'taskUUID' in item ? item.taskUUID : undefined;
}
//# sourceMappingURL=replies.js.map
