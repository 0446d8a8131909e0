/** What both senders of the fan-out benchmark are asked, and how they answer. */
import type { PreviewedEvent } from '../protocol/events.ts';
import { type Memory, memoryOf } from './process.ts';

/** `next` makes one frame for all sockets and has no answer. */
export type FanoutQuestion = { type: 'next' } | { type: 'measure'; collectGarbage: boolean };

export interface FanoutMeasure extends Memory {
  /** Of the process so far. */
  cpuMs: number;
  /** When the frame of each step was made, on the clock of process.ts, since the last measure. */
  madeAt: Map<number, number>;
}

/** Answers the questions; `next` makes a frame, `madeAt` is what was written down about frames. */
export function answerQuestions({ next, madeAt }: { next: () => void; madeAt: Map<number, number> }): void {
  process.on('message', async (question: FanoutQuestion) => {
    if (question.type === 'next') return next();
    const memory = await memoryOf({ collect: question.collectGarbage });
    const { user, system } = process.cpuUsage();
    const measure: FanoutMeasure = { ...memory, cpuMs: (user + system) / 1000, madeAt: new Map(madeAt) };
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
