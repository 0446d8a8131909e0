import type { LogLevel, RunEvent } from '../messages.ts';
import type { Run } from './run.ts';
import type { Loading } from './runtime.ts';
/** Which weights are being loaded, for the status, and in the log when they begin and end. */
export declare class LoadingLog {
  private readonly log;
  /** What a run is loading, and since when. */
  private current;
  constructor(log: (level: LogLevel, message: string, fields: object) => void);
  status(): Loading | undefined;
  on(
    run: Run,
    {
      component,
      doneBytes,
      ofBytes,
    }: Extract<
      RunEvent,
      {
        type: 'loading';
      }
    >,
  ): void;
  /** Nothing to do where the run was loading nothing. */
  end(run: Run, how: 'done' | 'broken off'): void;
}
