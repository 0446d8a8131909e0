import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

export interface FrailLink extends AsyncDisposable {
  /** Stands for the server's URL. */
  readonly url: string;
  /** Connections made through it so far. */
  readonly connections: number;
  /** Breaks every connection, as a lost network does; new ones work. */
  cut(): void;
  /** Keeps every connection open and passes nothing on any more, in either direction; new ones work. */
  fallSilent(): void;
  /** Refuses new connections, and breaks the old, until `mend`. */
  down(): void;
  mend(): void;
}

/** A network between a client and a server that breaks when a test says so. */
export async function frailLink(target: string): Promise<FrailLink> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let isDown = false;
  let connections = 0;
  const proxy = createServer((near) => {
    if (isDown) return void near.destroy();
    connections++;
    const far = dial(Number(port), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    cut,
    fallSilent() {
      for (const socket of open) socket.unpipe();
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
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
