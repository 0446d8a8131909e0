import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Kept at most; the oldest go first. An entry takes some 300 bytes. */
const MOST_KEPT = 1_000;
/**
 * How many rows calls take, for processes to come. They are kept in memory, and in a file where there is one, which is
 * replaced as a whole. A file that cannot be read is no loss: everything is found out anew and the file written again. An
 * entry holds for its machine, structure and shape only, so nothing in it is ever wrong, at most of no use.
 */
export class KeptBatches {
  file;
  log;
  kept = new Map();
  writing;
  stale = false;
  /** Reads the file. @param file - absolute path; absent: only memory */
  constructor(file, log) {
    this.file = file;
    this.log = log;
    if (file === undefined) return;
    try {
      for (const calibration of readCalibrations(readFileSync(file, 'utf8'))) this.set(calibration);
    } catch (error) {
      if (error.code === 'ENOENT') return;
      log('warn', 'The file of batch sizes cannot be read; they are found out anew.', { file, reason: `${error}` });
    }
  }
  all() {
    return [...this.kept.values()];
  }
  /** Keeps what was found out, instead of what was known for the same machine, structure and shape. */
  keep(calibration) {
    if (calibration.structure === undefined) return;
    this.set(calibration);
    this.stale = true;
    this.writing ??= this.write();
  }
  /** Resolves when the file holds everything, or cannot be written. */
  async written() {
    await this.writing;
  }
  set(calibration) {
    const key = JSON.stringify([calibration.machine, calibration.structure, calibration.shape]);
    this.kept.delete(key);
    this.kept.set(key, calibration);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_KEPT) this.kept.delete(oldest);
  }
  async write() {
    const { file } = this;
    while (file !== undefined && this.stale) {
      this.stale = false;
      // Another server may write to the same folder.
      const temporary = `${file}.${process.pid}.tmp`;
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(temporary, `${JSON.stringify({ version: 1, batches: this.all() }, undefined, 1)}\n`);
        await rename(temporary, file);
      } catch (error) {
        this.log('warn', 'The file of batch sizes cannot be written.', { file, reason: `${error}` });
        await rm(temporary, { force: true }).catch(() => {});
      }
    }
    this.writing = undefined;
  }
}
/** @throws when the text is not such a file's; entries that are none are left out */
function readCalibrations(text) {
  const { version, batches } = JSON.parse(text);
  if (version !== 1 || !Array.isArray(batches)) throw new Error('It is not a file of batch sizes of this version.');
  return batches.filter(isCalibration).map(({ machine, structure, graph, shape, rows }) => {
    return { machine, structure, graph, shape, rows };
  });
}
function isCalibration(value) {
  if (typeof value !== 'object' || value === null) return false;
  const { rows, ...rest } = value;
  if (typeof rows !== 'number' || !Number.isInteger(rows) || rows < 1 || rows > 1_024) return false;
  return [rest.machine, rest.structure, rest.graph, rest.shape].every((text) => typeof text === 'string');
}
//# sourceMappingURL=keptBatches.js.map
