import { TaskError } from '../protocol/errors.ts';
import type { GenerateRequest, RunEvent, Runtime } from '../runtime/index.ts';
import type { Clock } from './clock.ts';
import type { KeyPolicy } from './keys.ts';
import { Pace } from './work.ts';

/** What a run says: where it waits, while it waits, and then what the runtime says. */
export type QueuedRunEvent = { type: 'queued'; position: number } | RunEvent;

/** For whom a task runs: a session, or all HTTP requests of one address, and whose key it came with. */
export interface Claimant {
  /** What a client is told that it is. */
  readonly kind: 'session' | 'address';
  readonly id: string;
  readonly owner: string;
}

export interface QueueOptions {
  clock: Clock;
  /** Results that may wait. */
  limit: number;
  /** Results handed to the runtime at once. */
  concurrency: number;
  /** Unfinished results of one claimant; 0 sets no limit. */
  claimantLimit: number;
  /** Results of one claimant handed to the runtime at once; 0 sets no limit. */
  claimantRuns: number;
  /** `arrival`: whoever came first is next, however much it has had. Default `fair`. */
  order?: 'fair' | 'arrival';
  policyOf: (owner: string) => KeyPolicy;
}

interface Waiting {
  flow: Flow;
  priority: number;
  work: number;
  /** What the flow was charged for it, and the weight that it counted with then. */
  charged: number;
  weight: number;
  /** Rises with each arrival. */
  arrival: number;
  /** Runs that come before this one; a change is told. */
  position: number;
  wake: () => void;
  isNext: boolean;
}

/** The waiting runs of one claimant, and its virtual finish time. */
interface Flow {
  readonly id: string;
  readonly owner: string;
  readonly policy: KeyPolicy;
  /** Those of higher priority first, then those that came first. */
  readonly waiting: Waiting[];
  running: number;
  /** Virtual time at which the work that it was given is done: work over weight, on the clock of the queue. */
  virtualFinish: number;
}

/**
 * Orders runs before they reach the runtime. Next is a run of the claimant that was given the least denoising work for its
 * weight, so that neither many tasks nor large ones hold up everybody else. Whoever was idle begins with the clock: being
 * away saves nothing up. (Start-time fair queueing, Goyal, Vin, Cheng 1996.)
 */
export class Queue {
  readonly #runtime: Runtime;
  readonly #options: QueueOptions;
  readonly #flows = new Map<string, Flow>();
  readonly #pace: Pace;
  /** Virtual time: the start of the flow that was served last. */
  #clock = 0;
  #arrivals = 0;
  #running = 0;
  #admitted = 0;
  readonly #admittedOf = new Map<string, number>();
  /** Those of each key that have unfinished results. */
  readonly #claimantsOf = new Map<string, Set<string>>();
  #closed = false;

  constructor(runtime: Runtime, options: QueueOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#pace = new Pace(options.clock);
  }

  get waiting(): number {
    let count = 0;
    for (const { waiting } of this.#flows.values()) count += waiting.length;
    return count;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Takes room for results, from the arrival of their task until `release`. Room is counted here and not by the runs that
   * wait, because a task may still be fetching its seed image. `freed` is the room that the task's coming will free, because
   * it supersedes another. Throws `rateLimitExceeded` beyond a limit of the claimant or of its key, `serviceUnavailable`
   * where the queue is full; one with less than its part of a full queue is let in nevertheless.
   */
  admit(claimant: Claimant, count: number, freed = 0): void {
    if (this.#closed) throw shuttingDown();
    const { limit, concurrency, claimantLimit } = this.#options;
    const { queueLimit } = this.#options.policyOf(claimant.owner);
    this.#check(claimant.kind, this.#held(claimant.id) - freed, count, claimantLimit);
    this.#check('key', this.#held(ownerKey(claimant)) - freed, count, queueLimit);
    const room = limit + concurrency;
    const excess = this.#admitted - freed + count - room;
    if (excess > 0 && !this.#isWithinPart(claimant, count - freed, room)) {
      throw new TaskError('serviceUnavailable', {
        message: `The queue is full: ${this.#admitted} results are unfinished, ${limit} may wait.`,
        retryAfterMs: this.#pace.msFor(excess),
      });
    }
    this.#count(claimant, count);
  }

  release(claimant: Claimant, count: number): void {
    this.#count(claimant, -count);
  }

  /**
   * Adds a run; its place is taken now, not when the iteration begins, so it must be iterated. After `signal` is aborted the iteration throws
   * `signal.reason`: at once while waiting, within a step while running. Of one claimant those of higher `priority` come
   * first; before those of others only where the key's policy says so. In the order of arrival only such keys have any.
   * `work` is what its claimant is charged: see `workOf`.
   */
  run(
    claimant: Claimant,
    request: GenerateRequest,
    priority: number,
    work: number,
    signal: AbortSignal,
  ): AsyncIterable<QueuedRunEvent> {
    const flow = this.#flowOf(claimant);
    const arrival = ++this.#arrivals;
    const rank = this.#fair || flow.policy.overtakes ? priority : 0;
    const entry: Waiting = {
      // What nobody is charged for leaves all flows level, so that arrival decides.
      ...{ flow, priority: rank, work: this.#fair ? work : 0, arrival },
      ...{ charged: 0, weight: 1, position: 0, wake: () => {}, isNext: false },
    };
    const after = flow.waiting.findIndex((other) => other.priority < rank);
    flow.waiting.splice(after < 0 ? flow.waiting.length : after, 0, entry);
    this.#advance();
    return this.#drive(entry, request, signal);
  }

  /** Takes no more results; those that were admitted go on. */
  close(): void {
    this.#closed = true;
  }

  async *#drive(
    entry: Waiting,
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<QueuedRunEvent, void, undefined> {
    const { flow } = entry;
    const wake = () => entry.wake();
    signal.addEventListener('abort', wake);
    let done = 0;
    try {
      // Told on arrival too when the turn comes at once, so that every task has the same beginning.
      let told = entry.position;
      yield { type: 'queued', position: told };
      while (!entry.isNext) {
        signal.throwIfAborted();
        if (entry.position !== told) {
          told = entry.position;
          yield { type: 'queued', position: told };
          continue;
        }
        await new Promise<void>((resolve) => {
          entry.wake = resolve;
        });
      }
      signal.throwIfAborted();
      const share = { key: flow.id, weight: entry.weight };
      for await (const event of this.#runtime.generate({ ...request, share }, signal)) {
        if (event.type === 'stepped' || event.type === 'previewed') done = (event.step + 1) / event.steps;
        if (event.type === 'finished') done = 1;
        yield event;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      if (entry.isNext) {
        this.#running--;
        flow.running--;
        // What it was charged for and did not get.
        flow.virtualFinish -= entry.charged * (1 - done);
        this.#pace.ended(done);
      } else flow.waiting.splice(flow.waiting.indexOf(entry), 1);
      this.#advance();
    }
  }

  #flowOf({ id, owner }: Claimant): Flow {
    let flow = this.#flows.get(id);
    if (flow === undefined) {
      flow = { id, owner, policy: this.#options.policyOf(owner), waiting: [], running: 0, virtualFinish: this.#clock };
      this.#flows.set(id, flow);
    }
    return flow;
  }

  /** The weight of a key is that of all who come with it, in equal parts. */
  #weightOf({ owner, policy }: Flow): number {
    if (!policy.shared) return policy.weight;
    const sharers = [...this.#flows.values()].filter((other) => other.owner === owner && isActive(other));
    return policy.weight / Math.max(1, sharers.length);
  }

  #advance(): void {
    const { concurrency } = this.#options;
    while (this.#running < concurrency) {
      const flows = [...this.#flows.values()].filter((flow) => this.#isWithinLimits(flow));
      const ready = flows.filter((flow) => this.#mayTakeAPlace(flow));
      const [next] = ready.map((flow) => flow.waiting[0]!).sort((a, b) => this.#compare(a, b));
      if (next === undefined) break;
      const { flow } = next;
      const start = this.#startOf(flow);
      // Not the start of the next run where it overtakes: all flows before it would become equal.
      this.#clock = Math.min(...flows.map((each) => this.#startOf(each)));
      flow.waiting.shift();
      if (this.#running === 0) this.#pace.begin();
      this.#running++;
      flow.running++;
      next.weight = this.#weightOf(flow);
      next.charged = next.work / next.weight;
      flow.virtualFinish = start + next.charged;
      next.isNext = true;
      next.wake();
    }
    this.#forgetIdle();
    this.#tellPositions();
  }

  /** A quarter of the places is for those who have none, so that nobody waits for the end of another's picture. */
  #mayTakeAPlace(flow: Flow): boolean {
    const { concurrency } = this.#options;
    return !this.#fair || flow.running === 0 || this.#running < concurrency - Math.floor(concurrency / 4);
  }

  /** Whether it waits, and for nothing but its turn. */
  #isWithinLimits(flow: Flow): boolean {
    if (flow.waiting.length === 0) return false;
    const { claimantRuns } = this.#options;
    if (claimantRuns > 0 && flow.running >= claimantRuns) return false;
    const { runLimit } = flow.policy;
    if (runLimit === 0) return true;
    let running = 0;
    for (const other of this.#flows.values()) if (other.owner === flow.owner) running += other.running;
    return running < runLimit;
  }

  get #fair(): boolean {
    return this.#options.order !== 'arrival';
  }

  #startOf(flow: Flow): number {
    return Math.max(this.#clock, flow.virtualFinish);
  }

  #compare(a: Waiting, b: Waiting): number {
    return overtaking(b) - overtaking(a) || this.#startOf(a.flow) - this.#startOf(b.flow) || a.arrival - b.arrival;
  }

  /** Idle flows whose virtual finish time has passed are the same as new ones. */
  #forgetIdle(): void {
    const nothingRuns = this.#running === 0;
    for (const flow of this.#flows.values()) {
      if (!isActive(flow) && (nothingRuns || flow.virtualFinish <= this.#clock)) this.#flows.delete(flow.id);
    }
    if (this.#flows.size === 0) this.#clock = 0;
  }

  /** Places, were nobody to come any more. */
  #tellPositions(): void {
    const order: { entry: Waiting; start: number }[] = [];
    for (const flow of this.#flows.values()) {
      let start = this.#startOf(flow);
      const weight = flow.waiting.length > 0 ? this.#weightOf(flow) : 1;
      for (const entry of flow.waiting) {
        order.push({ entry, start });
        start += entry.work / weight;
      }
    }
    order.sort(
      (a, b) => overtaking(b.entry) - overtaking(a.entry) || a.start - b.start || a.entry.arrival - b.entry.arrival,
    );
    for (const [position, { entry }] of order.entries()) {
      if (entry.position === position) continue;
      entry.position = position;
      entry.wake();
    }
  }

  #check(whose: Claimant['kind'] | 'key', held: number, count: number, limit: number): void {
    if (limit === 0 || held + count <= limit) return;
    if (count > limit) {
      throw new TaskError('invalidNumberResults', {
        message: `\`numberResults\` must be at most ${limit}: a ${whose} may have no more unfinished results here.`,
        parameter: 'numberResults',
        type: 'integer',
        max: limit,
      });
    }
    const active = [...this.#flows.values()].filter(isActive).length;
    throw new TaskError('rateLimitExceeded', {
      message: `This ${whose} has ${held} unfinished results; it may have ${limit}.`,
      retryAfterMs: this.#pace.msFor((held + count - limit) * Math.max(1, active)),
    });
  }

  /**
   * Whether `more` results leave a claimant within its part of a full queue. The room is divided among the keys that have
   * unfinished results, and the part of a key among its claimants, so that a key with many sessions has no more of it. Of a
   * key that has used up its part those claimants are still let in that have less than theirs, up to twice the key's part:
   * parts grow smaller with each claimant that comes.
   */
  #isWithinPart(claimant: Claimant, more: number, room: number): boolean {
    const owner = ownerKey(claimant);
    const owners = new Set([owner, ...this.#claimantsOf.keys()]);
    const part = Math.max(1, room / owners.size);
    const ofOwner = this.#held(owner) + more;
    if (ofOwner <= part) return true;
    const claimants = new Set([claimant.id, ...(this.#claimantsOf.get(owner) ?? [])]);
    return ofOwner <= 2 * part && this.#held(claimant.id) + more <= part / claimants.size;
  }

  #held(key: string): number {
    return this.#admittedOf.get(key) ?? 0;
  }

  #count(claimant: Claimant, count: number): void {
    this.#admitted += count;
    const owner = ownerKey(claimant);
    for (const key of [claimant.id, owner]) {
      const held = this.#held(key) + count;
      if (held > 0) this.#admittedOf.set(key, held);
      else this.#admittedOf.delete(key);
    }
    const claimants = this.#claimantsOf.get(owner) ?? new Set();
    if (this.#held(claimant.id) > 0) claimants.add(claimant.id);
    else claimants.delete(claimant.id);
    if (claimants.size > 0) this.#claimantsOf.set(owner, claimants);
    else this.#claimantsOf.delete(owner);
  }
}

const ownerPrefix = 'owner ';

function ownerKey({ owner }: Claimant): string {
  return `${ownerPrefix}${owner}`;
}

function isActive(flow: Flow): boolean {
  return flow.running > 0 || flow.waiting.length > 0;
}

/** The priority that counts before others' turns. */
function overtaking({ flow, priority }: Waiting): number {
  return flow.policy.overtakes ? priority : 0;
}

/** What is told to those who come, or still wait, when the server stops. */
export function shuttingDown(): TaskError {
  return new TaskError('serviceUnavailable', { message: 'The server is shutting down; try again in a moment.' });
}
