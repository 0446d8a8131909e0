import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { Transform } from 'node:stream';

export interface FrailLink extends AsyncDisposable {
  /** Stands for the server's URL. */
  readonly url: string;
  /** Connections made through it so far. */
  readonly connections: number;
  /**
   * Breaks every connection, as a lost network does; new ones work. `reset`: both ends are told so. `half-open`: only the
   * client's is, the server's stays open and silent. `close` (default): both ends are closed in order.
   */
  cut(how?: Cut): void;
  /** Keeps every connection open and passes nothing on any more, in either direction; new ones work. */
  fallSilent(): void;
  /**
   * Lets so many more bytes of every open connection pass, `down` to the client or `up` to the server, and loses those that
   * follow. Settles when the first is lost. After it the connections are good for nothing but being cut.
   */
  lose(direction: 'down' | 'up', after: number): Promise<void>;
  /** Refuses new connections, and breaks the old, until `mend`. */
  down(): void;
  mend(): void;
}

export const cuts = ['reset', 'half-open', 'close'] as const;
export type Cut = (typeof cuts)[number];

/** A network between a client and a server that breaks when a test says so. */
export async function frailLink(target: string): Promise<FrailLink> {
  const { hostname, port } = new URL(target);
  const open = new Set<{ near: Socket; far: Socket; up: Valve; down: Valve }>();
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
    ] as const) {
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
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const left = new Set<Socket>();
  const cut = (how: Cut = 'close') => {
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
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
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

  lose(after: number): Promise<void> {
    this.#left = after;
    return new Promise((resolve) => (this.#lost = resolve));
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#left > 0) this.push(chunk.subarray(0, Math.min(this.#left, chunk.length)));
    this.#left -= chunk.length;
    if (this.#left < 0) this.#lost();
    done();
  }
}
