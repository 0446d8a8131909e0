/** A call of twice the size is worth it if each row costs no more than this share of what it costs now. */
const WORTH = 0.95;
/**
 * A call that takes so many milliseconds is not measured again to be sure that it does not pay; a shorter one is, because
 * its first time is mostly what the provider sets up for a new size.
 */
const LONG_MS = 500;
/** Ends the calls for answers that nobody wants any more. */
const unwanted = Symbol('unwanted');
/** Measurements of each size; the least of them counts, because whatever else the machine does only ever adds. */
const TRIALS = 3;
/**
 * How many rows of one graph and shape a call should take, found out while working: sizes 1, 2, 4, … as far as each row
 * becomes cheaper. Calls are made in these sizes only, because only these were compared. All answers are used, but for one
 * call of each size that is made twice over, to compare.
 *
 * A size is tried as soon as so many rows wait for the same graph in the same shape: never before anybody asks for it, and
 * never with rows of its own making. It is taken if it costs at most 0.95 of what a row cost so far; in the least of three
 * measurements, or in one that takes longer than half a second and is no faster. The search ends with the first size that
 * is not taken, and with the last one there is: 16 rows, or fewer where they would hold more positions than four pictures
 * of 256 px. It ends one size earlier where a call fails for want of room, leaves the process past its memory limit, or
 * was the process's last. The supervisor keeps what was found for the next process (process/keptBatches.ts).
 *
 * Measured on two cores with the embedded model (milliseconds for each row, one row a call against two): 16×16 latents 7.1
 * and 5.1, 24×24 12.3 and 11.6, 32×32 19 and 23. Small latents leave a core idle between operators, which further rows
 * fill. Where it does not pay, a call for each holds less memory and lets a cancel in between.
 */
export class Calibration {
  /** Milliseconds for each row, a moving average over calls; what sharing by work goes by. */
  msPerRow = 0;
  options;
  best = 1;
  settled;
  measured = new Map();
  compared = 0;
  difference = 0;
  constructor(options) {
    this.options = options;
    const { given, known, most } = options;
    if (known !== undefined) this.best = Math.max(1, Math.min(known, most));
    this.settled = given !== undefined || known !== undefined || most < 2;
  }
  /** Rows that the next call should take, of so many that wait. */
  rowsOf(waiting) {
    const { given } = this.options;
    if (given !== undefined) return Math.min(given, waiting);
    return this.isTrial(waiting) ? this.best * 2 : Math.min(this.best, 2 ** Math.floor(Math.log2(waiting)));
  }
  /**
   * Answers rows in calls of the right size.
   *
   * @param wanted - asked between two calls; false leaves the rest of the answers out
   */
  async answer(rows, call, wanted) {
    const answers = [];
    let calls = 0;
    const each = async (some) => {
      if (calls++ > 0 && !(await wanted())) throw unwanted;
      return await call(some);
    };
    while (answers.length < rows.length) {
      const left = rows.slice(answers.length);
      const chunk = left.slice(0, this.rowsOf(left.length));
      const trial = this.isTrial(chunk.length);
      try {
        answers.push(...(trial ? await this.try(chunk, each) : await this.timed(chunk, chunk.length, each)));
      } catch (error) {
        if (error === unwanted) break;
        if (chunk.length === 1 || this.options.given !== undefined) throw error;
        // More rows than the provider has room for: the same rows are answered by smaller calls.
        this.best = chunk.length / 2;
        this.settle();
      }
    }
    return answers;
  }
  isTrial(waiting) {
    const next = this.best * 2;
    return !this.settled && next <= this.options.most && waiting >= next;
  }
  /** Answers twice as many rows as the best call takes so far, in one call or in two, whichever was measured less often. */
  async try(rows, call) {
    const size = rows.length;
    const first = this.compared < size;
    const [small, large] = [this.best, size].map((rowsOf) => this.measured.get(rowsOf)?.length ?? 0);
    let answers = first || small < large ? await this.timed(rows, this.best, call) : undefined;
    if (first) {
      this.compared = size;
      const { exact, guard = (_, trial) => trial(), fits = () => true } = this.options;
      const together = await guard(size, () => this.timed(rows, size, call));
      const difference = largestDifference(answers, together);
      this.difference = Math.max(this.difference, difference);
      if ((exact && difference !== 0) || !fits()) this.settle();
    } else answers ??= await this.timed(rows, size, call);
    if (!this.settled) this.judge(size);
    return answers;
  }
  judge(size) {
    const [now, then] = [this.best, size].map((rows) => this.measured.get(rows) ?? []);
    const ratio = Math.min(...then) / Math.min(...now);
    const clear = ratio > 1 && Math.min(...then) * size > LONG_MS;
    if (!clear && Math.min(now.length, then.length) < TRIALS) return;
    if (ratio <= WORTH) {
      this.best = size;
      if (size * 2 > this.options.most) this.settle();
    } else this.settle();
  }
  settle() {
    this.settled = true;
    const msPerRow = {};
    for (const [rows, times] of this.measured) msPerRow[rows] = Math.round(Math.min(...times) * 100) / 100;
    this.options.onSettled?.({ rows: this.best, msPerRow, difference: this.difference });
  }
  async timed(rows, size, call) {
    const { now = () => performance.now() } = this.options;
    const answers = [];
    while (answers.length < rows.length) {
      const chunk = rows.slice(answers.length, answers.length + size);
      const begun = now();
      answers.push(...(await call(chunk)));
      const ms = (now() - begun) / chunk.length;
      this.msPerRow = this.msPerRow === 0 ? ms : 0.8 * this.msPerRow + 0.2 * ms;
      const times = this.measured.get(chunk.length);
      if (!times) this.measured.set(chunk.length, [ms]);
      else if (!this.settled && times.push(ms) > 2 * TRIALS) times.shift();
    }
    return answers;
  }
}
/** 0 only for the same bits. */
function largestDifference(one, other) {
  let largest = 0;
  for (const [index, outputs] of one.entries()) {
    for (const [name, { data }] of Object.entries(outputs)) {
      const compared = other[index][name].data;
      if (bytesOf(data).equals(bytesOf(compared))) continue;
      for (let at = 0; at < data.length; at++) {
        const difference = Math.abs(data[at] - compared[at]);
        if (!(difference <= largest)) largest = difference;
      }
      // Zeros of different signs are other bits all the same.
      largest ||= Number.MIN_VALUE;
    }
  }
  return largest;
}
function bytesOf({ buffer, byteOffset, byteLength }) {
  return Buffer.from(buffer, byteOffset, byteLength);
}
//# sourceMappingURL=calibration.js.map
