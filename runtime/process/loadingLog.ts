import type { LogLevel, RunEvent } from '../messages.ts';
import type { Run } from './run.ts';
import type { Loading } from './runtime.ts';

/** The weights being loaded, for the status, and log lines at their start and end. */
export class LoadingLog {
  private readonly log: (level: LogLevel, message: string, fields: object) => void;
  /** The loading of a run, and its start time. */
  private current: (Loading & { run: number; begunAt: number }) | undefined;

  constructor(log: (level: LogLevel, message: string, fields: object) => void) {
    this.log = log;
  }

  status(): Loading | undefined {
    if (!this.current) return undefined;
    const { model, component, doneBytes, ofBytes } = this.current;
    return { model, component, doneBytes, ofBytes };
  }

  on(run: Run, { component, doneBytes, ofBytes }: Extract<RunEvent, { type: 'loading' }>): void {
    const { model } = run.request;
    let begunAt = this.current?.run === run.id ? this.current.begunAt : undefined;
    if (begunAt === undefined) {
      begunAt = performance.now();
      this.log('info', 'Loading weights.', { model, component, ofBytes });
    }
    this.current = { model, component, doneBytes, ofBytes, run: run.id, begunAt };
  }

  /** Does nothing if the run was not loading. */
  end(run: Run, how: 'done' | 'broken off'): void {
    const { current } = this;
    if (current?.run !== run.id) return;
    this.current = undefined;
    const { model, component, doneBytes, ofBytes, begunAt } = current;
    const loadingMs = Math.round(performance.now() - begunAt);
    if (how === 'done') this.log('info', 'Weights were loaded.', { model, bytes: ofBytes, loadingMs });
    else this.log('info', 'Loading weights was interrupted.', { model, component, doneBytes, ofBytes, loadingMs });
  }
}
