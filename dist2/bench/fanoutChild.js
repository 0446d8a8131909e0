import { memoryOf } from './process.js';
/** Answers the questions; `next` makes a frame, `madeAt` is what was written down about frames. */
export function answerQuestions({ next, madeAt }) {
  process.on('message', async (question) => {
    if (question.type === 'next') return next();
    const memory = await memoryOf({ collect: question.collectGarbage });
    const { user, system } = process.cpuUsage();
    const measure = { ...memory, cpuMs: (user + system) / 1000, madeAt: new Map(madeAt) };
    madeAt.clear();
    process.send?.(measure);
  });
  process.on('disconnect', () => process.exit(1));
  process.on('SIGTERM', () => process.exit(0));
}
/** The event of a frame as the server writes it. */
export function previewedEvent(taskUUID, step) {
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
//# sourceMappingURL=fanoutChild.js.map
