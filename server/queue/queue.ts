import { TaskError } from '../../protocol/errors.ts';
import type { RunEvent, RunRequest, Runtime } from '../../runtime/index.ts';
import type { Clock } from '../clock.ts';
import type { KeyPolicy } from '../config/keys.ts';
import { Pace } from './pace.ts';

/** Events of a run: its position while it waits, then those of the runtime. */
export type QueuedRunEvent = { type: 'queued'; position: number } | RunEvent;

/** The account of a task: a session, or all HTTP requests of one address, with the key. */
export interface Claimant {
  /** Its kind in messages. */
  readonly kind: 'session' | 'address';
  readonly id: string;
  readonly owner: string;
}

export interface QueueOptions {
  clock: Clock;
  /** Limit of waiting results. */
  limit: number;
  /** Limit of running results. */
  concurrency: number;
  /** Unfinished results of one claimant; 0 sets no limit. */
  claimantLimit: number;
  /** Running results of one claimant; 0 sets no limit. */
  claimantRuns: number;
  /** `arrival`: the oldest is next, whatever its claimant has had. Default `fair`. */
  order?: 'fair' | 'arrival';
  policyOf: (owner: string) => KeyPolicy;
}

interface Waiting {
  flow: Flow;
  priority: number;
  work: number;
  /** The charged work, and the weight at that time. */
  charged: number;
  weight: number;
  /** Increases with each arrival. */
  arrival: number;
  /** Position in the queue; a change is reported. */
  position: number;
  wake: () => void;
  isNext: boolean;
}

/** The waiting runs of one claimant, and its virtual finish time. */
interface Flow {
  readonly id: string;
  readonly owner: string;
  readonly policy: KeyPolicy;
  /** Ordered by priority, then by arrival. */
  readonly waiting: Waiting[];
  running: number;
  /** Virtual time when its charged work is done: work over weight, on the clock of the queue. */
  virtualFinish: number;
}

/**
 * Orders runs before they reach the runtime. The next run is of the claimant with the least denoising work for its
 * weight, so neither many tasks nor large ones delay others. A claimant that was idle starts at the current virtual
 * time: idling saves nothing. (Start-time fair queueing, Goyal, Vin, Cheng 1996.)
 */
export class Queue {
  readonly #runtime: Runtime;
  readonly #options: QueueOptions;
  readonly #flows = new Map<string, Flow>();
  readonly #pace: Pace;
  /** Virtual time: the start of the flow served last. */
  #clock = 0;
  #arrivals = 0;
  #running = 0;
  #admitted = 0;
  readonly #admittedOf = new Map<string, number>();
  /** Claimants with unfinished results, by key. */
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
   * Reserves places for results from the arrival of their task until `release`. Waiting runs would undercount, because
   * a task may still be downloading its seed image. `freed` are the places of tasks that this one supersedes. Throws
   * `rateLimitExceeded` above a limit of the claimant or its key, and `serviceUnavailable` if the queue is full and the
   * claimant has its share of it.
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
   * Adds a run, which takes its place now and must be iterated. When `signal` is aborted the iteration throws
   * `signal.reason`: at once while waiting, within a step while running. Within a claimant a higher `priority` comes
   * first, and before other claimants only if the policy of the key allows that. In the order of arrival only such keys
   * have priorities. `work` is charged to the claimant, see `workOf`.
   */
  run(
    claimant: Claimant,
    request: RunRequest,
    priority: number,
    work: number,
    signal: AbortSignal,
  ): AsyncIterable<QueuedRunEvent> {
    const flow = this.#flowOf(claimant);
    const arrival = ++this.#arrivals;
    const rank = this.#fair || flow.policy.overtakes ? priority : 0;
    const entry: Waiting = {
      // Without charges all flows stay equal, and arrival decides.
      ...{ flow, priority: rank, work: this.#fair ? work : 0, arrival },
      ...{ charged: 0, weight: 1, position: 0, wake: () => {}, isNext: false },
    };
    const after = flow.waiting.findIndex((other) => other.priority < rank);
    flow.waiting.splice(after < 0 ? flow.waiting.length : after, 0, entry);
    this.#advance();
    return this.#drive(entry, request, signal);
  }

  /** Accepts no more results; admitted ones continue. */
  close(): void {
    this.#closed = true;
  }

  async *#drive(
    entry: Waiting,
    request: RunRequest,
    signal: AbortSignal,
  ): AsyncGenerator<QueuedRunEvent, void, undefined> {
    const { flow } = entry;
    const wake = () => entry.wake();
    signal.addEventListener('abort', wake);
    let done = 0;
    try {
      // Also sent if the run starts at once, so that every task begins with the same event.
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
        // Refunds the unused work.
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

  /** The claimants of a key share its weight equally. */
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
      // Not the start of the next run if it overtakes: all flows before it would become equal.
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

  /**
   * Reserves a quarter of the places for claimants without a running result, so that nobody waits for the end of
   * another's picture.
   */
  #mayTakeAPlace(flow: Flow): boolean {
    const { concurrency } = this.#options;
    return !this.#fair || flow.running === 0 || this.#running < concurrency - Math.floor(concurrency / 4);
  }

  /** Whether it waits only for its turn. */
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

  /** Idle flows whose virtual finish time has passed are equal to new ones. */
  #forgetIdle(): void {
    const nothingRuns = this.#running === 0;
    for (const flow of this.#flows.values()) {
      if (!isActive(flow) && (nothingRuns || flow.virtualFinish <= this.#clock)) this.#flows.delete(flow.id);
    }
    if (this.#flows.size === 0) this.#clock = 0;
  }

  /** Positions, if no further task comes. */
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
        message: `\`numberResults\` must be at most ${limit}: a ${whose} may have no more unfinished results.`,
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
   * Whether a claimant stays within its share of a full queue with `more` results. The places are divided among the
   * keys with unfinished results, and those of a key among its claimants, so a key with many sessions has no more. If a
   * key has used up its share, claimants with less than theirs are still admitted, up to twice the key's share: shares
   * shrink with each new claimant.
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

/** The priority relative to other claimants. */
function overtaking({ flow, priority }: Waiting): number {
  return flow.policy.overtakes ? priority : 0;
}

/** Error for new and waiting tasks when the server stops. */
export function shuttingDown(): TaskError {
  return new TaskError('serviceUnavailable', { message: 'The server is shutting down; try again in a moment.' });
}
