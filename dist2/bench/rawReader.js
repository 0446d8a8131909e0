import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { now } from './process.js';

/** So much of a frame is looked at for its step. */
const lookBytes = 400;
/**
 * A WebSocket that only reads, counts and answers pings: a client library would cost as much as the sender that is
 * measured, and hide what that could do.
 */
export class RawReader {
  #socket;
  #tally;
  #rest = Buffer.alloc(0);
  /** Of the frame that is being read. */
  #left = 0;
  #binary = false;
  #length = 0;
  #step = -1;
  constructor(socket, tally) {
    this.#socket = socket;
    this.#tally = tally;
  }
  static async open(url, tally) {
    const { hostname, port, host } = new URL(url);
    const socket = net.connect(Number(port), hostname);
    const reader = new RawReader(socket, tally);
    await new Promise((resolve, reject) => {
      socket.once('error', reject);
      let head = Buffer.alloc(0);
      const onData = (chunk) => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.off('data', onData);
        const status = head.toString('latin1', 0, head.indexOf('\r\n'));
        if (!status.includes(' 101 ')) return reject(new Error(`a socket was refused: ${status}`));
        socket.on('data', (data) => reader.#read(data));
        reader.#read(head.subarray(end + 4));
        resolve();
      };
      socket.on('data', onData);
      const key = randomBytes(16).toString('base64');
      const lines = ['GET /v1 HTTP/1.1', `Host: ${host}`, 'Upgrade: websocket', 'Connection: Upgrade'];
      socket.write(`${[...lines, `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13'].join('\r\n')}\r\n\r\n`);
    });
    return reader;
  }
  /** Sends a text frame. */
  send(text) {
    this.#write(0x1, Buffer.from(text));
  }
  close() {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.destroy();
    });
  }
  #write(opcode, payload) {
    const long = payload.length > 125;
    const header = Buffer.alloc(long ? 8 : 6);
    header[0] = 0x80 | opcode;
    header[1] = 0x80 | (long ? 126 : payload.length);
    if (long) header.writeUInt16BE(payload.length, 2);
    // The mask is all zeros, so the payload stays as it is.
    this.#socket.write(Buffer.concat([header, payload]));
  }
  #read(chunk) {
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = data.subarray(0, 0);
    for (let at = 0; at < data.length; ) {
      if (this.#left === 0) {
        const begun = this.#begin(data, at);
        if (begun === undefined) {
          this.#rest = data.subarray(at);
          return;
        }
        at = begun;
      }
      const taken = Math.min(this.#left, data.length - at);
      at += taken;
      this.#left -= taken;
      if (this.#left === 0 && this.#binary) this.#count();
    }
  }
  /** Reads the header of a frame; returns where its payload begins, or nothing where too little of it is there. */
  #begin(data, at) {
    const there = data.length - at;
    if (there < 2) return undefined;
    const opcode = data[at] & 0x0f;
    const short = data[at + 1] & 0x7f;
    const size = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (there < size) return undefined;
    const length =
      short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
    const start = at + size;
    if (data.length - start < Math.min(length, lookBytes)) return undefined;
    if (opcode === 0x9) this.#write(0xa, data.subarray(start, start + length));
    this.#left = length;
    this.#length = length;
    this.#binary = opcode === 0x2;
    if (this.#binary && this.#tally.timed) {
      const found = data.indexOf('"step":', start);
      this.#step = Number.parseInt(data.toString('latin1', found + 7, found + 17), 10);
    }
    return start;
  }
  #count() {
    const tally = this.#tally;
    tally.frames++;
    tally.bytes += this.#length;
    if (tally.timed) tally.arrivals.push({ step: this.#step, at: now() });
    if (tally.target === undefined || tally.frames < tally.target.frames) return;
    tally.target.reached();
    tally.target = undefined;
  }
}
//# sourceMappingURL=rawReader.js.map
