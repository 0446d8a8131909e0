import { bar } from './progress.ts';

/** The rate covers the last few seconds. */
const rateWindowMs = 5_000;
const redrawMs = 100;
/** Without a terminal: one line for each tenth, at most this often. */
const lineMs = 1_000;

/** Shows the progress of a transfer on stderr: a moving bar on a terminal, a few plain lines elsewhere. */
export class Transfer {
  readonly #what: string;
  readonly #ofBytes: number;
  readonly #live = process.stderr.isTTY === true;
  readonly #begun = performance.now();
  readonly #samples: { at: number; moved: number }[] = [];
  #done = 0;
  #moved = 0;
  #drawnAt = performance.now();
  #drawnTenth = 0;
  #lineShown = false;

  /** @param what - such as `copying dreamshaper` */
  constructor(what: string, ofBytes: number) {
    this.#what = what;
    this.#ofBytes = ofBytes;
  }

  /** Counts bytes that have just been moved. */
  advance(bytes: number): void {
    this.#moved += bytes;
    this.#done += bytes;
    this.#draw();
  }

  /** Counts bytes that were there already, or (negative) that must be moved again. They do not count for the rate. */
  skip(bytes: number): void {
    this.#done += bytes;
  }

  /** Prints a sentence above the bar. */
  say(sentence: string): void {
    this.#clear();
    process.stderr.write(`${sentence}\n`);
  }

  /** Removes the bar; with `done` prints a summary. */
  end(done = false): void {
    this.#clear();
    if (!done) return;
    const seconds = (performance.now() - this.#begun) / 1000;
    const rate = this.#moved > 0 ? `, ${humanBytes(this.#moved / seconds)}/s` : '';
    process.stderr.write(`${this.#what}: ${humanBytes(this.#done)} in ${humanTime(seconds)}${rate}\n`);
  }

  #draw(): void {
    const now = performance.now();
    const done = this.#ofBytes > 0 ? Math.min(1, Math.max(0, this.#done / this.#ofBytes)) : 1;
    if (this.#live) {
      if (now - this.#drawnAt < redrawMs) return;
      const line = `${this.#what} ${bar(done)} ${this.#figures(now)}`;
      // A wrapped line cannot be erased.
      process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
      this.#lineShown = true;
    } else {
      const tenth = Math.floor(done * 10);
      if (tenth <= this.#drawnTenth || now - this.#drawnAt < lineMs) return;
      this.#drawnTenth = tenth;
      process.stderr.write(`${this.#what}: ${Math.floor(done * 100)} %, ${this.#figures(now)}\n`);
    }
    this.#drawnAt = now;
  }

  #figures(now: number): string {
    this.#samples.push({ at: now, moved: this.#moved });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > rateWindowMs) this.#samples.shift();
    const { at, moved } = this.#samples[0]!;
    const amount = `${humanBytes(this.#done)} of ${humanBytes(this.#ofBytes)}`;
    const rate = ((this.#moved - moved) / (now - at)) * 1000;
    if (!(rate > 0)) return amount;
    return `${amount}, ${humanBytes(rate)}/s, ${humanTime((this.#ofBytes - this.#done) / rate)} left`;
  }

  #clear(): void {
    if (this.#lineShown) process.stderr.write('\r\x1b[K');
    this.#lineShown = false;
  }
}

/** `2.1 GB`, in powers of a thousand, as on model sites. */
export function humanBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = Math.max(0, bytes);
  let unit = 0;
  // Not 1000: 999.96 would be shown as 1000.0.
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `5 s`, `3:05`, `1:02:03`. */
export function humanTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [first, ...rest] = parts[0] === 0 ? parts.slice(1) : parts;
  return [first, ...rest.map((part) => String(part).padStart(2, '0'))].join(':');
}
