import type { TaskError } from '../../protocol/errors.ts';
import type { Clock } from '../clock.ts';
import type { TaskMeter } from '../lifecycle/meter.ts';
import type { TaskRecord } from '../lifecycle/records.ts';

/** Task types with results. */
const makesImages: ReadonlySet<string> = new Set(['imageInference', 'upscale', 'imageUpscale']);

const dayMs = 86_400_000;
/** Number of separate days; older days count only in the total. */
const keptDays = 31;
/** Times are exact within 2 %. */
const growth = Math.log(1.02);

/** The tally of some tasks. */
export class Tally {
  tasks = 0;
  clientErrors = 0;
  serverErrors = 0;
  #sumMs = 0;
  #timed = 0;
  /** Histogram: number of tasks that took e^(index × growth) ms; a few hundred entries at most. */
  readonly #times = new Map<number, number>();

  count(record: Pick<TaskRecord, 'state' | 'error'>, ms: number | undefined): void {
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

  add(other: Tally): void {
    this.tasks += other.tasks;
    this.clientErrors += other.clientErrors;
    this.serverErrors += other.serverErrors;
    this.#sumMs += other.#sumMs;
    this.#timed += other.#timed;
    for (const [index, count] of other.#times) this.#times.set(index, (this.#times.get(index) ?? 0) + count);
  }

  /** Mean in milliseconds; 0 without finished tasks. */
  get meanMs(): number {
    return this.#timed === 0 ? 0 : Math.round(this.#sumMs / this.#timed);
  }

  /** Quantile of the times of finished tasks, in milliseconds; 0 if there are none. */
  quantileMs(part: number): number {
    let left = Math.ceil(part * this.#timed);
    for (const [index, count] of [...this.#times].sort(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return Math.round(Math.exp(index * growth));
    }
    return 0;
  }
}

interface OwnerUsage {
  total: Tally;
  /** By day (days since the epoch), then by AIR; '' for tasks refused before their model was known. */
  days: Map<number, Map<string, Tally>>;
}

/** Counts the tasks of each key since the start, for `accountManagement`. */
export class Usage {
  readonly #owners = new Map<string, OwnerUsage>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get today(): number {
    return Math.floor(this.#clock.now() / dayMs);
  }

  /** Counts an ended task. `meter` is absent if it was refused before it was queued. */
  taskEnded(record: TaskRecord, meter: TaskMeter | undefined): void {
    if (record.state === 'unfinished') return;
    const tallies = this.#tallies(record.owner, meter?.model ?? '');
    const ms =
      record.state === 'finished' && meter
        ? Object.values(meter.stages).reduce((sum, each) => sum + each, 0)
        : undefined;
    for (const tally of tallies) tally.count(record, ms);
  }

  /** Counts an image task with refused parameters. */
  refused(owner: string, error: TaskError): void {
    if (!makesImages.has(error.taskType ?? '')) return;
    for (const tally of this.#tallies(owner, '')) tally.count({ state: 'failed', error }, undefined);
  }

  /** The tallies for a task of today: of its day and model, and of all. */
  #tallies(owner: string, air: string): Tally[] {
    const usage = this.#owners.get(owner) ?? { total: new Tally(), days: new Map() };
    this.#owners.set(owner, usage);
    const { today } = this;
    for (const day of usage.days.keys()) if (day <= today - keptDays) usage.days.delete(day);
    const ofDay = usage.days.get(today) ?? new Map<string, Tally>();
    usage.days.set(today, ofDay);
    const tally = ofDay.get(air) ?? new Tally();
    ofDay.set(air, tally);
    return [tally, usage.total];
  }

  /** All tasks of an owner, since the server started. */
  total(owner: string): Tally {
    return this.#owners.get(owner)?.total ?? new Tally();
  }

  /** Tallies of some days (both ends included), by day and model. */
  between(owner: string, first: number, last: number): { day: number; air: string; tally: Tally }[] {
    const days = this.#owners.get(owner)?.days ?? new Map<number, Map<string, Tally>>();
    return [...days]
      .filter(([day]) => day >= first && day <= last)
      .sort(([a], [b]) => a - b)
      .flatMap(([day, models]) => [...models].map(([air, tally]) => ({ day, air, tally })));
  }
}

export function dayOf(text: string): number {
  return Math.floor(Date.parse(text) / dayMs);
}

export function textOfDay(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10);
}
