/** What measuring processes share: cases that announce themselves, fit into the time, and fail one by one. */
import { chooseProvider } from '../../runtime/onnx/providers.js';
import { median } from '../figures.js';
import { sentenceOf } from './measuring.js';
export class Cases {
  question;
  #endsAt;
  #done;
  #late = [];
  /** Share of the measured peak that the last case reached; before the first a guess on the high side of time. */
  #efficiency = 0.1;
  constructor(question) {
    this.question = question;
    this.#done = new Set(question.done);
    this.#endsAt = performance.now() + question.budgetMs;
  }
  leftMs() {
    return this.#endsAt - performance.now();
  }
  /** Does some work in a part of the time that is left, so that something remains for what comes after it. */
  async within(part, work) {
    const endsAt = this.#endsAt;
    this.#endsAt = performance.now() + part * this.leftMs();
    try {
      await work();
    } finally {
      this.#endsAt = endsAt;
    }
  }
  /** Operations a second of the device's best product, in the precision of the networks. */
  get peak() {
    return this.question.speed[this.question.provider?.precision ?? 'float32'];
  }
  /** The provider to measure on, checked anew only where no earlier part did. */
  async provider() {
    this.question.provider ??= await chooseProvider(this.question.device);
    return this.question.provider;
  }
  /** Whether the device is slower than any GPU: a program that imitates one, or the CPU. Sizes and counts are smaller then. */
  get slow() {
    return this.peak === undefined ? this.question.slow : this.peak < 300e9;
  }
  /** Milliseconds that a call of so many operations will take. */
  callMs(operations) {
    // Of a slow device too little may be known: then as if it were slower than any that was seen.
    const peak = this.peak ?? (this.slow ? 5e9 : undefined);
    return peak === undefined ? undefined : (operations / (peak * this.#efficiency)) * 1000;
  }
  learn(operations, ms) {
    if (this.peak !== undefined) this.#efficiency = operations / (ms / 1000) / this.peak;
  }
  /**
   * Runs a case unless it was done before or does not fit. What it throws is a row.
   *
   * @returns whether it was measured
   */
  async each(name, expected, work) {
    if (this.#done.has(name)) return false;
    const call = expected.operations === undefined ? undefined : this.callMs(expected.operations);
    // One call to warm up and one that counts.
    const ms = (expected.ms ?? 0) + 2 * (call ?? 0);
    const left = this.leftMs();
    if (left < 500) {
      this.#late.push(name);
      return false;
    }
    if (ms > left) {
      this.skip(name, `would take about ${seconds(ms)}, and ${seconds(left)} are left`);
      return false;
    }
    this.#tell({ begin: name });
    try {
      const finding = await work();
      this.#tell({ row: { state: 'measured', name, ...finding } });
      return true;
    } catch (error) {
      this.#tell({ row: { state: 'failed', name, detail: reasonOf(error) } });
      return false;
    }
  }
  /** Tells of the cases for which there was no time. */
  end() {
    const [first, ...others] = this.#late;
    if (first === undefined) return;
    this.skip(first, others.length === 0 ? 'no time was left' : `no time was left, nor for ${others.join(', ')}`);
  }
  /** A row that took no time of its own. */
  also(finding) {
    if (!this.#done.has(finding.name)) this.#tell({ row: { state: 'measured', ...finding } });
  }
  skip(name, detail) {
    if (!this.#done.has(name)) this.#tell({ row: { state: 'skipped', name, detail } });
  }
  /**
   * Medians of calls, after one that does not count, for a tenth of the time that is left and 3 s at most. A call that takes
   * longer than that is measured once.
   */
  async time(call, options = {}) {
    const first = await clocked(call);
    const withinMs = Math.min(3000, this.leftMs() / 10);
    const times = [];
    let spent = 0;
    while (times.length === 0 || (times.length < (options.most ?? 30) && spent + first / 2 < withinMs)) {
      times.push(await clocked(call));
      spent += times.at(-1);
      if (times.length === 1 && spent > this.leftMs() / 2) break;
    }
    return { ms: median(times), firstMs: first, calls: times.length };
  }
  #tell(told) {
    process.stdout.write(`${JSON.stringify(told)}\n`);
  }
}
export async function clocked(call) {
  const begun = performance.now();
  await call();
  return performance.now() - begun;
}
export function reasonOf(error) {
  const text = error instanceof Error ? error.message : String(error);
  return text.includes('\n') ? sentenceOf(text) : text.slice(0, 300);
}
export function seconds(ms) {
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
//# sourceMappingURL=cases.js.map
