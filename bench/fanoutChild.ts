/** What both senders of the fan-out benchmark are asked, and how they answer. */
import v8 from 'node:v8';
import vm from 'node:vm';
import type { PreviewedEvent } from '../protocol/events.ts';

/** `next` makes one frame for all sockets and has no answer. */
export type FanoutQuestion = { type: 'next' } | { type: 'measure'; collectGarbage: boolean };

export interface FanoutMeasure {
  rssBytes: number;
  heapBytes: number;
  /** Of the process so far. */
  cpuMs: number;
  /** When the frame of each step was made, on the clock of `now`, since the last measure. */
  madeAt: Map<number, number>;
}

/** Milliseconds of a clock that all processes of the machine share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Answers the questions; `next` makes a frame, `madeAt` is what was written down about frames. */
export function answerQuestions({ next, madeAt }: { next: () => void; madeAt: Map<number, number> }): void {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  process.on('message', async (question: FanoutQuestion) => {
    if (question.type === 'next') return next();
    for (let n = 0; question.collectGarbage && n < 3; n++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, external } = process.memoryUsage();
    const measure: FanoutMeasure = {
      rssBytes: rss,
      heapBytes: heapUsed + external,
      cpuMs: (user + system) / 1000,
      madeAt: new Map(madeAt),
    };
    madeAt.clear();
    process.send?.(measure);
  });
  process.on('disconnect', () => process.exit(1));
  process.on('SIGTERM', () => process.exit(0));
}

/** The event of a frame as the server writes it. */
export function previewedEvent(taskUUID: string, step: number): PreviewedEvent {
  return {
    event: 'previewed',
    taskType: 'imageInference',
    taskUUID,
    resultIndex: 0,
    step,
    steps: 100,
    width: 120,
    height: 120,
    format: 'JPG',
  };
}
