import net from 'node:net';

/** A TCP connection without a client's manners. It is closed when it is disposed of. */
export class RawConnection implements Disposable {
  readonly socket: net.Socket;
  /** All that arrived. */
  received = '';
  readonly closed: Promise<void>;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** @param isRead - whether what arrives is read at all */
  static async open(port: number, isRead = true): Promise<RawConnection> {
    const socket = net.connect(port, '127.0.0.1');
    const connection = new RawConnection(socket);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    if (isRead) socket.setEncoding('latin1').on('data', (text) => (connection.received += text));
    return connection;
  }

  /** Writes, and settles when the system has taken it or the connection is closed. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.socket.destroyed) return;
    const written = new Promise<void>((resolve) => this.socket.write(bytes, () => resolve()));
    await Promise.race([written, this.closed]);
  }

  /** The status of the first reply; `closed` where the connection ends without one. */
  async status(): Promise<number | 'closed'> {
    for (;;) {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(this.received)?.[1];
      if (status !== undefined) return Number(status);
      if (this.socket.destroyed) return 'closed';
      await new Promise<void>((resolve) => {
        this.socket.once('data', () => resolve()).once('close', () => resolve());
      });
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Sends text on a connection of its own, and tells the status of the reply. */
export async function statusOf(port: number, text: string): Promise<number | 'closed'> {
  using connection = await RawConnection.open(port);
  await connection.write(text);
  return await connection.status();
}

/** The request that opens a WebSocket. */
export function upgrade(fields: Record<string, string> = {}, target = '/v1'): string {
  const headers = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...fields,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A client's frame, masked with zeros, which leaves the payload as it is. */
export function frame(opcode: number, payload: Uint8Array | string, { fin = true, masked = true } = {}): Buffer {
  const bytes = Buffer.from(payload);
  const mask = masked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | opcode;
  const header =
    bytes.length < 126
      ? Buffer.from([first, mask | bytes.length])
      : bytes.length < 65_536
        ? Buffer.from([first, mask | 126, bytes.length >> 8, bytes.length & 255])
        : Buffer.from([first, mask | 127, 0, 0, 0, 0, ...be32(bytes.length)]);
  return Buffer.concat([header, masked ? Buffer.alloc(4) : Buffer.alloc(0), bytes]);
}

function be32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** Opens a WebSocket on a raw connection, sends frames, and tells the code that the server closes it with. */
export async function closeCodeAfter(port: number, ...frames: Uint8Array[]): Promise<number | 'closed' | undefined> {
  using connection = await RawConnection.open(port);
  await connection.write(upgrade());
  if ((await connection.status()) !== 101) return undefined;
  for (const each of frames) await connection.write(each);
  return await closeCode(connection);
}

/** The code of the close frame that comes; `closed` where the connection ends without one. */
export async function closeCode(connection: RawConnection): Promise<number | 'closed'> {
  const isDone = () => codeIn(connection.received) !== undefined || connection.socket.destroyed;
  while (!isDone()) {
    await new Promise<void>((resolve) => {
      connection.socket.once('data', () => resolve()).once('close', () => resolve());
    });
  }
  return codeIn(connection.received) ?? 'closed';
}

function codeIn(received: string): number | undefined {
  const bytes = Buffer.from(received, 'latin1');
  let at = bytes.indexOf('\r\n\r\n') + 4;
  while (at >= 4 && at + 2 <= bytes.length) {
    const opcode = bytes[at]! & 15;
    let length = bytes[at + 1]! & 127;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    }
    if (opcode === 8) return length >= 2 ? bytes.readUInt16BE(at) : 1005;
    at += length;
  }
  return undefined;
}
