import type { Outputs, Part, Row } from '../../runtime/run.ts';

/** Drives a part of a run by itself, a call for each row. `seen` takes the rows in order. */
export async function answer<T>(part: Part<T>, seen: Row[] = []): Promise<T> {
  for (let answers: Outputs[] = []; ; ) {
    const { done, value } = await part.next(answers);
    if (done) return value;
    answers = [];
    if (value.type !== 'call') continue;
    for (const row of value.rows) {
      seen.push(row);
      answers.push((await value.graph.run({ ...row, ...value.shared }, value.outputs)) as Outputs);
    }
  }
}
