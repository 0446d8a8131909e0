import { createServer, connect as dial } from 'node:net';
import { Transform } from 'node:stream';
export const cuts = ['reset', 'half-open', 'close'];
/** A network between a client and a server that breaks when a test says so. */
export async function frailLink(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  let isDown = false;
  let connections = 0;
  const proxy = createServer((near) => {
    if (isDown) return void near.destroy();
    connections++;
    const link = { near, far: dial(Number(port), hostname), up: new Valve(), down: new Valve() };
    open.add(link);
    for (const [socket, other, valve] of [
      [near, link.far, link.up],
      [link.far, near, link.down],
    ]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        // The other end of one that is half open stays.
        if (!open.has(link)) return;
        open.delete(link);
        other.destroy();
      });
      socket.pipe(valve).pipe(other);
    }
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const left = new Set();
  const cut = (how = 'close') => {
    for (const { near, far, up, down } of open) {
      if (how === 'close') for (const socket of [near, far]) socket.destroy();
      else if (how === 'reset') for (const socket of [near, far]) socket.resetAndDestroy();
      else {
        far.unpipe(down);
        near.unpipe(up);
        far.resume();
        left.add(far);
        far.on('close', () => left.delete(far));
        near.resetAndDestroy();
      }
    }
    open.clear();
  };
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    get connections() {
      return connections;
    },
    cut,
    fallSilent() {
      for (const { near, far } of open) for (const socket of [near, far]) socket.unpipe();
    },
    async lose(direction, after) {
      await Promise.race([...open].map((link) => link[direction].lose(after)));
    },
    down() {
      isDown = true;
      cut();
    },
    mend() {
      isDown = false;
    },
    async [Symbol.asyncDispose]() {
      cut();
      for (const socket of left) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
/** Passes all bytes on, or so many of them. */
class Valve extends Transform {
  #left = Number.POSITIVE_INFINITY;
  #lost = () => {};
  lose(after) {
    this.#left = after;
    return new Promise((resolve) => (this.#lost = resolve));
  }
  _transform(chunk, _encoding, done) {
    if (this.#left > 0) this.push(chunk.subarray(0, Math.min(this.#left, chunk.length)));
    this.#left -= chunk.length;
    if (this.#left < 0) this.#lost();
    done();
  }
}
//# sourceMappingURL=frailLink.js.map
