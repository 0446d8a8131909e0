import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Calibration, LogLevel } from '../messages.ts';

/** Maximum number of entries; the oldest are dropped. An entry takes about 300 bytes. */
const MOST_KEPT = 1_000;

/**
 * Batch sizes for later processes, in memory and, if configured, in a file that is replaced as a whole. An unreadable
 * file is no loss: everything is measured again and the file rewritten. An entry applies only to its machine, graph
 * structure and shape, so it is never wrong.
 */
export class KeptBatches {
  private readonly file: string | undefined;
  private readonly log: (level: LogLevel, message: string, fields?: object) => void;
  private readonly kept = new Map<string, Calibration>();
  private writing: Promise<void> | undefined;
  private stale = false;

  /** Reads the file. @param file - absolute path; absent: only memory */
  constructor(file: string | undefined, log: (level: LogLevel, message: string, fields?: object) => void) {
    this.file = file;
    this.log = log;
    if (file === undefined) return;
    try {
      for (const calibration of readCalibrations(readFileSync(file, 'utf8'))) this.set(calibration);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      log('warn', 'The file of batch sizes cannot be read. They are measured again.', { file, reason: `${error}` });
    }
  }

  all(): Calibration[] {
    return [...this.kept.values()];
  }

  /** Stores a result, replacing that of the same machine, structure and shape. */
  keep(calibration: Calibration): void {
    if (calibration.structure === undefined) return;
    this.set(calibration);
    this.stale = true;
    this.writing ??= this.write();
  }

  /** Resolves when the file is written or cannot be written. */
  async written(): Promise<void> {
    await this.writing;
  }

  private set(calibration: Calibration): void {
    const key = JSON.stringify([calibration.machine, calibration.structure, calibration.shape]);
    this.kept.delete(key);
    this.kept.set(key, calibration);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_KEPT) this.kept.delete(oldest!);
  }

  private async write(): Promise<void> {
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

/** @throws if the text is not such a file; invalid entries are skipped */
function readCalibrations(text: string): Calibration[] {
  const { version, batches } = JSON.parse(text) as { version?: unknown; batches?: unknown };
  if (version !== 1 || !Array.isArray(batches)) throw new Error('It is not a file of batch sizes of this version.');
  return batches.filter(isCalibration).map(({ machine, structure, graph, shape, rows }) => {
    return { machine, structure, graph, shape, rows };
  });
}

function isCalibration(value: unknown): value is Calibration {
  if (typeof value !== 'object' || value === null) return false;
  const { rows, ...rest } = value as Record<keyof Calibration, unknown>;
  if (typeof rows !== 'number' || !Number.isInteger(rows) || rows < 1 || rows > 1_024) return false;
  return [rest.machine, rest.structure, rest.graph, rest.shape].every((text) => typeof text === 'string');
}
