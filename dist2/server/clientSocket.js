/** Bytes waiting in a socket beyond which it is given no more that can wait elsewhere: its reader counts as slow. */
export const slowReaderBytes = 256 * 1024;
/** Bytes that may wait for a reader before nothing more is read from its socket. */
export const fullBytes = 4 * 1024 * 1024;
/** What Node and ws keep for each frame that waits, beside its bytes. */
const frameBytes = 512;
/** Closes a socket whose reader takes too little. Of the codes that are free to choose. */
export const slowReaderCode = 4008;
const asText = { binary: false };
const asBinary = { binary: true };
/**
 * The WebSocket of one client, as the server writes to it. Everything that is sent is counted: past `maxWaiting` nothing
 * more is read from the socket, because who asks and never reads the answers would fill the memory.
 */
export class ClientSocket {
  /** Bytes that may wait before nothing more is read. */
  maxWaiting = fullBytes;
  /** Bytes that wait elsewhere until this socket can take them. */
  backlog = () => 0;
  /** The reader has taken something, and no more than `slowReaderBytes` wait. */
  drained = () => {};
  #socket;
  #options;
  /** Frames that wait. Those sent while none waits, which ws hands to the system at once, are not counted. */
  #frames = 0;
  #isFull = false;
  #isHeld = false;
  /** When the reader last took something, or something began to wait. */
  #since = 0;
  #timer;
  #isPonging = false;
  #nextPong;
  constructor(socket, options) {
    this.#socket = socket;
    this.#options = options;
    socket.on('ping', (data) => this.#answerPing(data));
    socket.on('close', () => {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#check();
    });
  }
  /** Bytes that wait in the socket. */
  get waiting() {
    return this.#socket.bufferedAmount + this.#frames * frameBytes;
  }
  /** Whether more than `slowReaderBytes` wait. */
  get isSlow() {
    return this.waiting > slowReaderBytes;
  }
  /** Whether so much waits that nothing more should be answered. */
  get isFull() {
    this.#check();
    return this.#isFull;
  }
  get isOpen() {
    return this.#socket.readyState === this.#socket.OPEN;
  }
  send(frame, binary = false) {
    // A socket that keeps up need not tell when it has. What makes a later frame wait always ends in one that does.
    const keepsUp = this.#socket.bufferedAmount === 0 && frame.length <= slowReaderBytes / 2;
    if (keepsUp) this.#socket.send(frame, binary ? asBinary : asText);
    else {
      this.#frames++;
      this.#socket.send(frame, binary ? asBinary : asText, this.#taken);
    }
    this.#check();
  }
  ping(text) {
    // The callback takes the error of a socket that has just closed.
    this.#socket.ping(text, false, () => {});
  }
  /** Reads nothing until `release`. */
  hold() {
    this.#isHeld = true;
    this.#read();
  }
  release() {
    this.#isHeld = false;
    this.#read();
  }
  close(code, reason) {
    // A paused socket would read neither the pongs nor the closing of the other side.
    if (this.#socket.isPaused) this.#socket.resume();
    this.#socket.close(code, reason);
  }
  terminate() {
    this.#socket.terminate();
  }
  /** Looks again at how much waits; to be called when `backlog` has changed. */
  check() {
    this.#check();
  }
  /** Made once for each socket and not for each frame: there may be thousands a second. */
  #taken = () => {
    this.#frames--;
    this.#since = this.#options.clock.now();
    if (!this.isSlow) this.drained();
    this.#check();
  };
  #check() {
    const isOpen = this.isOpen;
    const waits = isOpen ? this.waiting + this.backlog() : 0;
    if (waits > this.maxWaiting) {
      if (!this.#isFull) {
        this.#isFull = true;
        this.#read();
      }
    } else if (this.#isFull && waits <= this.maxWaiting / 2) {
      this.#isFull = false;
      this.#read();
      this.#options.room();
    }
    if (isOpen && this.isSlow && this.#timer === undefined) {
      this.#since = this.#options.clock.now();
      this.#watch(this.#options.slowReaderMs);
    }
  }
  #read() {
    if (!this.isOpen) return;
    const stop = this.#isFull || this.#isHeld;
    if (stop && !this.#socket.isPaused) this.#socket.pause();
    else if (!stop && this.#socket.isPaused) this.#socket.resume();
  }
  #watch(ms) {
    this.#timer = this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      if (!this.isOpen || !this.isSlow) return;
      const left = this.#since + this.#options.slowReaderMs - this.#options.clock.now();
      if (left > 0) this.#watch(left);
      else this.#options.slow();
    });
  }
  /**
   * Answers the newest of the pings that came while the last pong waited, as RFC 6455 (5.5.3) allows: a client that sends
   * pings and reads nothing has two pongs waiting, not one for each.
   */
  #answerPing(data) {
    if (this.#isPonging) {
      this.#nextPong = data;
      return;
    }
    this.#isPonging = true;
    this.#socket.pong(data, false, () => {
      this.#isPonging = false;
      const next = this.#nextPong;
      this.#nextPong = undefined;
      if (next !== undefined) this.#answerPing(next);
    });
  }
}
//# sourceMappingURL=clientSocket.js.map
