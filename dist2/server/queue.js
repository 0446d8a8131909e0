import { TaskError } from '../protocol/errors.js';
import { Pace } from './work.js';
/**
 * Orders runs before they reach the runtime. Next is a run of the claimant that has had the least denoising work for its
 * weight, so that neither many tasks nor large ones hold up everybody else. Whoever was idle begins with the clock: being
 * away saves nothing up. (Start-time fair queueing, Goyal, Vin, Cheng 1996.)
 */
export class Queue {
  #runtime;
  #options;
  #claims = new Map();
  #pace;
  /** What the claimant served last had had by then. */
  #clock = 0;
  #arrivals = 0;
  #running = 0;
  #admitted = 0;
  #admittedOf = new Map();
  /** Those of each key that have unfinished results. */
  #claimantsOf = new Map();
  #closed = false;
  constructor(runtime, options) {
    this.#runtime = runtime;
    this.#options = options;
    this.#pace = new Pace(options.clock);
  }
  get waiting() {
    let count = 0;
    for (const { waiting } of this.#claims.values()) count += waiting.length;
    return count;
  }
  get running() {
    return this.#running;
  }
  /**
   * Takes room for results, from the arrival of their task until `release`. Room is counted here and not by the runs that
   * wait, because a task may still be fetching its seed image. `freed` is the room that the task's coming will free, because
   * it supersedes another. Throws `rateLimitExceeded` beyond a limit of the claimant or of its key, `serviceUnavailable`
   * where the queue is full; one with less than its part of a full queue is let in nevertheless.
   */
  admit(claimant, count, freed = 0) {
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
  release(claimant, count) {
    this.#count(claimant, -count);
  }
  /**
   * Adds a run; its place is taken now, not when the iteration begins, so it must be iterated. After `signal` is aborted the iteration throws
   * `signal.reason`: at once while waiting, within a step while running. Of one claimant those of higher `priority` come
   * first; before those of others only where the key's policy says so. In the order of arrival only such keys have any.
   * `work` is what its claimant is charged: see `workOf`.
   */
  run(claimant, request, priority, work, signal) {
    const claim = this.#claimOf(claimant);
    const arrival = ++this.#arrivals;
    const rank = this.#fair || claim.policy.overtakes ? priority : 0;
    const entry = {
      // What nobody is charged for leaves all claims level, so that arrival decides.
      ...{ claim, priority: rank, work: this.#fair ? work : 0, arrival },
      ...{ charged: 0, weight: 1, position: 0, wake: () => {}, turn: false },
    };
    const after = claim.waiting.findIndex((other) => other.priority < rank);
    claim.waiting.splice(after < 0 ? claim.waiting.length : after, 0, entry);
    this.#advance();
    return this.#drive(entry, request, signal);
  }
  /** Takes no more results; those that were admitted go on. */
  close() {
    this.#closed = true;
  }
  async *#drive(entry, request, signal) {
    const { claim } = entry;
    const wake = () => entry.wake();
    signal.addEventListener('abort', wake);
    let done = 0;
    try {
      // Told on arrival too when the turn comes at once, so that every task has the same beginning.
      let told = entry.position;
      yield { type: 'queued', position: told };
      while (!entry.turn) {
        signal.throwIfAborted();
        if (entry.position !== told) {
          told = entry.position;
          yield { type: 'queued', position: told };
          continue;
        }
        await new Promise((resolve) => {
          entry.wake = resolve;
        });
      }
      signal.throwIfAborted();
      const share = { key: claim.id, weight: entry.weight };
      for await (const event of this.#runtime.generate({ ...request, share }, signal)) {
        if (event.type === 'stepped' || event.type === 'previewed') done = (event.step + 1) / event.steps;
        if (event.type === 'finished') done = 1;
        yield event;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      if (entry.turn) {
        this.#running--;
        claim.running--;
        // What it was charged for and did not get.
        claim.had -= entry.charged * (1 - done);
        this.#pace.ended(done);
      } else claim.waiting.splice(claim.waiting.indexOf(entry), 1);
      this.#advance();
    }
  }
  #claimOf({ id, owner }) {
    let claim = this.#claims.get(id);
    if (claim === undefined) {
      claim = { id, owner, policy: this.#options.policyOf(owner), waiting: [], running: 0, had: this.#clock };
      this.#claims.set(id, claim);
    }
    return claim;
  }
  /** The weight of a key is that of all who come with it, in equal parts. */
  #weightOf({ owner, policy }) {
    if (!policy.shared) return policy.weight;
    const sharers = [...this.#claims.values()].filter((other) => other.owner === owner && isActive(other));
    return policy.weight / Math.max(1, sharers.length);
  }
  #advance() {
    const { concurrency } = this.#options;
    while (this.#running < concurrency) {
      const claims = [...this.#claims.values()].filter((claim) => this.#isWithinLimits(claim));
      const ready = claims.filter((claim) => this.#mayTakeAPlace(claim));
      const [next] = ready.map((claim) => claim.waiting[0]).sort((a, b) => this.#compare(a, b));
      if (next === undefined) break;
      const { claim } = next;
      const start = this.#startOf(claim);
      // Not that of the next where it goes before others: their claims would become equal, whatever they have had.
      this.#clock = Math.min(...claims.map((each) => this.#startOf(each)));
      claim.waiting.shift();
      if (this.#running === 0) this.#pace.begin();
      this.#running++;
      claim.running++;
      next.weight = this.#weightOf(claim);
      next.charged = next.work / next.weight;
      claim.had = start + next.charged;
      next.turn = true;
      next.wake();
    }
    this.#forgetIdle();
    this.#tellPositions();
  }
  /** A quarter of the places is for those who have none, so that nobody waits for the end of another's picture. */
  #mayTakeAPlace(claim) {
    const { concurrency } = this.#options;
    return !this.#fair || claim.running === 0 || this.#running < concurrency - Math.floor(concurrency / 4);
  }
  /** Whether it waits, and for nothing but its turn. */
  #isWithinLimits(claim) {
    if (claim.waiting.length === 0) return false;
    const { claimantRuns } = this.#options;
    if (claimantRuns > 0 && claim.running >= claimantRuns) return false;
    const { runLimit } = claim.policy;
    if (runLimit === 0) return true;
    let running = 0;
    for (const other of this.#claims.values()) if (other.owner === claim.owner) running += other.running;
    return running < runLimit;
  }
  get #fair() {
    return this.#options.order !== 'arrival';
  }
  #startOf(claim) {
    return Math.max(this.#clock, claim.had);
  }
  #compare(a, b) {
    return overtaking(b) - overtaking(a) || this.#startOf(a.claim) - this.#startOf(b.claim) || a.arrival - b.arrival;
  }
  /** Claims that wait for nothing, and have had no more than the clock says, are as good as new ones. */
  #forgetIdle() {
    const nothingRuns = this.#running === 0;
    for (const claim of this.#claims.values()) {
      if (!isActive(claim) && (nothingRuns || claim.had <= this.#clock)) this.#claims.delete(claim.id);
    }
    if (this.#claims.size === 0) this.#clock = 0;
  }
  /** Places, were nobody to come any more. */
  #tellPositions() {
    const order = [];
    for (const claim of this.#claims.values()) {
      let start = this.#startOf(claim);
      const weight = claim.waiting.length > 0 ? this.#weightOf(claim) : 1;
      for (const entry of claim.waiting) {
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
  #check(whose, held, count, limit) {
    if (limit === 0 || held + count <= limit) return;
    if (count > limit) {
      throw new TaskError('invalidNumberResults', {
        message: `\`numberResults\` must be at most ${limit}: a ${whose} may have no more unfinished results here.`,
        parameter: 'numberResults',
        type: 'integer',
        max: limit,
      });
    }
    const active = [...this.#claims.values()].filter(isActive).length;
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
  #isWithinPart(claimant, more, room) {
    const owner = ownerKey(claimant);
    const owners = new Set([owner, ...this.#claimantsOf.keys()]);
    const part = Math.max(1, room / owners.size);
    const ofOwner = this.#held(owner) + more;
    if (ofOwner <= part) return true;
    const claimants = new Set([claimant.id, ...(this.#claimantsOf.get(owner) ?? [])]);
    return ofOwner <= 2 * part && this.#held(claimant.id) + more <= part / claimants.size;
  }
  #held(key) {
    return this.#admittedOf.get(key) ?? 0;
  }
  #count(claimant, count) {
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
function ownerKey({ owner }) {
  return `${ownerPrefix}${owner}`;
}
function isActive(claim) {
  return claim.running > 0 || claim.waiting.length > 0;
}
/** The priority that counts before others' turns. */
function overtaking({ claim, priority }) {
  return claim.policy.overtakes ? priority : 0;
}
/** What is told to those who come, or still wait, when the server stops. */
export function shuttingDown() {
  return new TaskError('serviceUnavailable', { message: 'The server is shutting down; try again in a moment.' });
}
//# sourceMappingURL=queue.js.map
