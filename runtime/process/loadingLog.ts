import type { LogLevel, RunEvent } from '../messages.ts';
import type { Run } from './run.ts';
import type { Loading } from './runtime.ts';

/** Which weights are being loaded, for the status, and in the log when they begin and end. */
export class LoadingLog {
  private readonly log: (level: LogLevel, message: string, fields: object) => void;
  /** What a run is loading, and since when. */
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
      this.log('info', 'Weights are being loaded.', { model, component, ofBytes });
    }
    this.current = { model, component, doneBytes, ofBytes, run: run.id, begunAt };
  }

  /** Nothing to do where the run was loading nothing. */
  end(run: Run, how: 'done' | 'broken off'): void {
    const { current } = this;
    if (current?.run !== run.id) return;
    this.current = undefined;
    const { model, component, doneBytes, ofBytes, begunAt } = current;
    const loadingMs = Math.round(performance.now() - begunAt);
    if (how === 'done') this.log('info', 'Weights were loaded.', { model, bytes: ofBytes, loadingMs });
    else this.log('info', 'Loading weights was broken off.', { model, component, doneBytes, ofBytes, loadingMs });
  }
}
