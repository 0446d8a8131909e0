import type { TaskError } from '../protocol/errors.ts';
import type { Clock } from './clock.ts';
import type { TaskMeter } from './taskMeter.ts';
import type { TaskRecord } from './taskRecords.ts';
/** What some tasks come to. */
export declare class Tally {
  #private;
  tasks: number;
  clientErrors: number;
  serverErrors: number;
  count(record: Pick<TaskRecord, 'state' | 'error'>, ms: number | undefined): void;
  add(other: Tally): void;
  /** In milliseconds; 0 where no task has finished. */
  get meanMs(): number;
  /** The time that this part of the finished tasks stayed within, in milliseconds; 0 where there is none. */
  quantileMs(part: number): number;
}
/** Counts the tasks of each key since the server started: what `accountManagement` tells its holder. */
export declare class Usage {
  #private;
  constructor(clock: Clock);
  get today(): number;
  /** Counts a task that has ended. `meter` is absent where it was refused before it was queued. */
  taskEnded(record: TaskRecord, meter: TaskMeter | undefined): void;
  /** Counts an image task whose parameters were refused. */
  refused(owner: string, error: TaskError): void;
  /** All tasks of an owner, since the server started. */
  total(owner: string): Tally;
  /** Those of some days (both included), told apart by day and model. */
  between(
    owner: string,
    first: number,
    last: number,
  ): {
    day: number;
    air: string;
    tally: Tally;
  }[];
}
export declare function dayOf(text: string): number;
export declare function textOfDay(day: number): string;
