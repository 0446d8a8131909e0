/**
 * The `events` envelope: what is said about a task before its result. Events never travel in `data`, because the
 * official clients would take them for results. Browsers import this file: types only.
 */
export {};
//# sourceMappingURL=events.js.map
