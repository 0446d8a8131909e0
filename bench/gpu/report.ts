/** The rows of a run of bench:gpu, as a table and as JSON. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { formatTable } from '../figures.ts';

/** One line of the table. */
export interface Row {
  /** The part of the run it belongs to. */
  part: string;
  name: string;
  state: 'measured' | 'skipped' | 'failed';
  /** Absent unless measured. */
  value?: number | string | undefined;
  unit?: string | undefined;
  /** What was done, or why it was not. */
  detail?: string | undefined;
  /** What later parts measure on, in the JSON only. */
  provider?: Provider | undefined;
  /** Further numbers, in the JSON only. */
  numbers?: Record<string, number | readonly number[]> | undefined;
}

/** What a part measured of something that others measure too: the same name means the same work. */
export type Finding = Omit<Row, 'part' | 'state'>;

/** At the end of the names of rows of weights in blocks of 4 bits. */
export const FOUR_BITS = ', 4 bits';

/** Our rows of the same work as one of PyTorch's, which may be compiled there, and has 16 bits where ours may have 4. */
export function counterparts(rows: readonly Row[], theirs: Row): Row[] {
  const name = theirs.name.replace(/, torch\.compile$/, '');
  const isFigure = ({ value }: Row) => typeof value === 'number';
  const isSame = (own: Row) => own.name === name || own.name === `${name}${FOUR_BITS}`;
  return isFigure(theirs) ? rows.filter((own) => own.part !== theirs.part && isFigure(own) && isSame(own)) : [];
}

/** Collects rows and keeps the files in a folder up to date, so that a run that is cut leaves what it found. */
export class Report {
  readonly rows: Row[] = [];
  readonly about: Record<string, unknown>;
  readonly #folder: string;
  #writing: Promise<void> = Promise.resolve();

  /** @param about - of the run as a whole, for the JSON */
  constructor(folder: string, about: Record<string, unknown>) {
    this.#folder = folder;
    this.about = about;
  }

  add(row: Row): void {
    this.rows.push(row);
    void this.write();
  }

  of(part: string): Row[] {
    return this.rows.filter((row) => row.part === part);
  }

  /** Writes `bench-gpu.json` and `bench-gpu.md`; resolves when they hold all rows so far. */
  write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      await this.#put('bench-gpu.json', JSON.stringify({ ...this.about, rows: this.rows }, null, 2));
      await this.#put('bench-gpu.md', `${tableOf(this.rows)}\n`);
    });
    return this.#writing;
  }

  async #put(name: string, text: string): Promise<void> {
    const file = join(this.#folder, name);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }
}

export function tableOf(rows: readonly Row[]): string {
  const cell = ({ state, value, unit }: Row) => {
    if (state !== 'measured') return state;
    const text = typeof value === 'number' ? String(Number(value.toPrecision(4))) : (value ?? '');
    return `${text} ${unit ?? ''}`.trim();
  };
  return formatTable(
    ['part', 'figure', 'value', 'detail'],
    // A bar or a line break of an error message would end the cell.
    rows.map((row) => [row.part, row.name, cell(row), (row.detail ?? '').replace(/\s+/g, ' ').replaceAll('|', '/')]),
  );
}
