/** What crosses the border of the runtime process: imperative going in, past tense coming out. */
export {};
//# sourceMappingURL=messages.js.map
