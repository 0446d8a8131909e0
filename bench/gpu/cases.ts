/** What measuring processes share: cases that announce themselves, fit into the time, and fail one by one. */
import { chooseProvider, type Provider } from '../../runtime/onnx/providers.ts';
import { median } from '../figures.ts';
import { sentenceOf } from './measuring.ts';
import type { Finding } from './report.ts';

/** Given to a measuring process as its one argument, in JSON. */
export interface Question {
  kind: string;
  device: string;
  /** Milliseconds this process may take. */
  budgetMs: number;
  /** Cases that another process began already. */
  done: string[];
  /** Those of them in which it died. */
  died: string[];
  /** Floating-point operations a second of a large matrix product, by precision; absent where it was not measured. */
  speed: { float16?: number; float32?: number };
  /** Bytes a second of memory traffic; absent where it was not measured. */
  bandwidth?: number | undefined;
  /** Of a device whose products took too long to be measured. */
  slow: boolean;
  /** Whether the device has half precision at all; what the networks compute in is for the provider to say. */
  half: boolean;
  /** Whether transformers are measured in a tiny size, to try everything. */
  tiny: boolean;
  /** As `adapter` found it; absent where that was not asked for. */
  provider?: Provider | undefined;
  /** A folder for what is written meanwhile. */
  temp: string;
}

/** What is known of the time that a case will take. */
export interface Expected {
  ms?: number | undefined;
  /** Of one call; with the speed of the device and of earlier cases it tells how long a call takes. */
  operations?: number | undefined;
  /** How much of the time that is left it may take before its process is ended; default all. */
  part?: number | undefined;
}

/** No case is ended earlier than this. */
const LEAST_LIMIT_MS = 10_000;

export class Cases {
  readonly question: Question;
  #endsAt: number;
  readonly #done: Set<string>;
  readonly #late: string[] = [];
  /** Share of the measured peak that the last case reached; before the first a guess on the high side of time. */
  #efficiency = 0.1;

  constructor(question: Question) {
    this.question = question;
    this.#done = new Set(question.done);
    this.#endsAt = performance.now() + question.budgetMs;
  }

  leftMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Does some work in a part of the time that is left, so that something remains for what comes after it. */
  async within(part: number, work: () => Promise<void>): Promise<void> {
    const endsAt = this.#endsAt;
    this.#endsAt = performance.now() + part * this.leftMs();
    try {
      await work();
    } finally {
      this.#endsAt = endsAt;
    }
  }

  /** Operations a second of the device's best product, in the precision of the networks. */
  get peak(): number | undefined {
    return this.question.speed[this.question.provider?.precision ?? 'float32'];
  }

  /** The provider to measure on, checked anew only where no earlier part did. */
  async provider(): Promise<Provider> {
    this.question.provider ??= await chooseProvider(this.question.device);
    return this.question.provider;
  }

  /** Whether the device is slower than any GPU: a program that imitates one, or the CPU. Sizes and counts are smaller then. */
  get slow(): boolean {
    return this.peak === undefined ? this.question.slow : this.peak < 300e9;
  }

  /** Milliseconds that a call of so many operations will take. */
  callMs(operations: number): number | undefined {
    // Of a slow device too little may be known: then as if it were slower than any that was seen.
    const peak = this.peak ?? (this.slow ? 5e9 : undefined);
    return peak === undefined ? undefined : (operations / (peak * this.#efficiency)) * 1000;
  }

  learn(operations: number, ms: number): void {
    if (this.peak !== undefined) this.#efficiency = operations / (ms / 1000) / this.peak;
  }

  /**
   * Runs a case unless it was done before or does not fit. What it throws is a row.
   *
   * @returns whether it was measured
   */
  async each(name: string, expected: Expected, work: () => Promise<Omit<Finding, 'name'>>): Promise<boolean> {
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
    const { part = 1 } = expected;
    this.#tell({ begin: name, ...(part < 1 && { limitMs: Math.max(LEAST_LIMIT_MS, part * left) }) });
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
  end(): void {
    const [first, ...others] = this.#late;
    if (first === undefined) return;
    this.skip(first, others.length === 0 ? 'no time was left' : `no time was left, nor for ${others.join(', ')}`);
  }

  /** A row that took no time of its own. */
  also(finding: Finding): void {
    if (!this.#done.has(finding.name)) this.#tell({ row: { state: 'measured', ...finding } });
  }

  skip(name: string, detail: string): void {
    if (!this.#done.has(name)) this.#tell({ row: { state: 'skipped', name, detail } });
  }

  /**
   * Medians of calls, after one that does not count, for a tenth of the time that is left and 3 s at most. A call that takes
   * longer than that is measured once; in a tiny size, where figures mean nothing, all are.
   */
  async time(call: () => Promise<unknown>, options: { most?: number } = {}): Promise<Timed> {
    const first = await clocked(call);
    const withinMs = Math.min(3000, this.leftMs() / 10);
    const times: number[] = [];
    let spent = 0;
    const most = this.question.tiny ? 1 : (options.most ?? 30);
    while (times.length === 0 || (times.length < most && spent + first / 2 < withinMs)) {
      times.push(await clocked(call));
      spent += times.at(-1)!;
      if (times.length === 1 && spent > this.leftMs() / 2) break;
    }
    return { ms: median(times), firstMs: first, calls: times.length };
  }

  #tell(told: object): void {
    process.stdout.write(`${JSON.stringify(told)}\n`);
  }
}

export interface Timed {
  ms: number;
  /** Of the first call, which compiles the kernels. */
  firstMs: number;
  calls: number;
}

export async function clocked(call: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await call();
  return performance.now() - begun;
}

export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.includes('\n') ? sentenceOf(text) : text.slice(0, 300);
}

export function seconds(ms: number): string {
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
