import type { Clock, Timer } from '../clock.ts';
import type { ClientSocket } from './clientSocket.ts';
import { Session, type SessionOptions } from './session.ts';

export interface SessionsOptions extends SessionOptions {
  clock: Clock;
  /** How long a session waits for its client to reconnect. */
  keepMs: number;
  /** Called for expired sessions. */
  expired: (session: Session) => void;
  /** Called for resumed and new sessions. */
  attached: (session: Session) => void;
}

/** All sessions; one without a socket expires after a while. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #timers = new Map<string, Timer>();
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  create(owner: string, baseUrl: string): Session {
    const session = new Session(owner, baseUrl, this.#options);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** The session with an id, if `owner` owns it. */
  find(id: string | undefined, owner: string): Session | undefined {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    return session?.owner === owner ? session : undefined;
  }

  attach(session: Session, socket: ClientSocket): void {
    this.#timers.get(session.id)?.cancel();
    this.#timers.delete(session.id);
    session.attach(socket);
    this.#options.attached(session);
  }

  detach(session: Session, socket: ClientSocket): void {
    if (!session.detach(socket)) return;
    const timer = this.#options.clock.after(this.#options.keepMs, () => {
      this.#timers.delete(session.id);
      this.#sessions.delete(session.id);
      this.#options.expired(session);
    });
    this.#timers.set(session.id, timer);
  }

  /** Like `detach`, for a session that nobody can resume. */
  discard(session: Session, socket: ClientSocket): void {
    if (session.detach(socket)) this.#sessions.delete(session.id);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#sessions.clear();
  }
}
