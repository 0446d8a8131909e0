/** A promise settled from outside; `Promise.withResolvers` came after Node 20. */
export function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
//# sourceMappingURL=deferred.js.map
