const dayMs = 86_400_000;
/** Days that are told apart; older ones count in the total alone. */
const keptDays = 31;
/** Times are told within 2 %. */
const growth = Math.log(1.02);
/** What some tasks come to. */
export class Tally {
  tasks = 0;
  clientErrors = 0;
  serverErrors = 0;
  #sumMs = 0;
  #timed = 0;
  /** How many tasks took e^(index × growth) ms, by index: some hundreds at most. */
  #times = new Map();
  count(record, ms) {
    this.tasks++;
    if (record.state === 'failed') {
      if ((record.error?.status ?? 500) < 500) this.clientErrors++;
      else this.serverErrors++;
    }
    if (ms === undefined) return;
    const index = Math.ceil(Math.log(Math.max(1, ms)) / growth);
    this.#times.set(index, (this.#times.get(index) ?? 0) + 1);
    this.#sumMs += ms;
    this.#timed++;
  }
  add(other) {
    this.tasks += other.tasks;
    this.clientErrors += other.clientErrors;
    this.serverErrors += other.serverErrors;
    this.#sumMs += other.#sumMs;
    this.#timed += other.#timed;
    for (const [index, count] of other.#times) this.#times.set(index, (this.#times.get(index) ?? 0) + count);
  }
  /** In milliseconds; 0 where no task has finished. */
  get meanMs() {
    return this.#timed === 0 ? 0 : Math.round(this.#sumMs / this.#timed);
  }
  /** The time that this part of the finished tasks stayed within, in milliseconds; 0 where there is none. */
  quantileMs(part) {
    let left = Math.ceil(part * this.#timed);
    for (const [index, count] of [...this.#times].sort(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return Math.round(Math.exp(index * growth));
    }
    return 0;
  }
}
/** Counts the tasks of each key since the server started: what `accountManagement` tells its holder. */
export class Usage {
  #owners = new Map();
  #clock;
  constructor(clock) {
    this.#clock = clock;
  }
  get today() {
    return Math.floor(this.#clock.now() / dayMs);
  }
  /** Counts a task that has ended. `meter` is absent where it was refused before it was queued. */
  taskEnded(record, meter) {
    if (record.state === 'unfinished') return;
    const tallies = this.#tallies(record.owner, meter?.model ?? '');
    const ms =
      record.state === 'finished' && meter
        ? Object.values(meter.stages).reduce((sum, each) => sum + each, 0)
        : undefined;
    for (const tally of tallies) tally.count(record, ms);
  }
  /** Counts an image task whose parameters were refused. */
  refused(owner, error) {
    if (error.taskType !== 'imageInference') return;
    for (const tally of this.#tallies(owner, '')) tally.count({ state: 'failed', error }, undefined);
  }
  /** Those that a task of today counts into: of its day and model, and of all. */
  #tallies(owner, air) {
    const usage = this.#owners.get(owner) ?? { total: new Tally(), days: new Map() };
    this.#owners.set(owner, usage);
    const { today } = this;
    for (const day of usage.days.keys()) if (day <= today - keptDays) usage.days.delete(day);
    const ofDay = usage.days.get(today) ?? new Map();
    usage.days.set(today, ofDay);
    const tally = ofDay.get(air) ?? new Tally();
    ofDay.set(air, tally);
    return [tally, usage.total];
  }
  /** All tasks of an owner, since the server started. */
  total(owner) {
    return this.#owners.get(owner)?.total ?? new Tally();
  }
  /** Those of some days (both included), told apart by day and model. */
  between(owner, first, last) {
    const days = this.#owners.get(owner)?.days ?? new Map();
    return [...days]
      .filter(([day]) => day >= first && day <= last)
      .sort(([a], [b]) => a - b)
      .flatMap(([day, models]) => [...models].map(([air, tally]) => ({ day, air, tally })));
  }
}
export function dayOf(text) {
  return Math.floor(Date.parse(text) / dayMs);
}
export function textOfDay(day) {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}
//# sourceMappingURL=usage.js.map
