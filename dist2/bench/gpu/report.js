/** The rows of a run of bench:gpu, as a table and as JSON. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTable } from '../figures.js';
/** Collects rows and keeps the files in a folder up to date, so that a run that is cut leaves what it found. */
export class Report {
  rows = [];
  about;
  #folder;
  #writing = Promise.resolve();
  /** @param about - of the run as a whole, for the JSON */
  constructor(folder, about) {
    this.#folder = folder;
    this.about = about;
  }
  add(row) {
    this.rows.push(row);
    void this.write();
  }
  of(part) {
    return this.rows.filter((row) => row.part === part);
  }
  /** Writes `bench-gpu.json` and `bench-gpu.md`; resolves when they hold all rows so far. */
  write() {
    this.#writing = this.#writing.then(async () => {
      await this.#put('bench-gpu.json', JSON.stringify({ ...this.about, rows: this.rows }, null, 2));
      await this.#put('bench-gpu.md', `${tableOf(this.rows)}\n`);
    });
    return this.#writing;
  }
  async #put(name, text) {
    const file = join(this.#folder, name);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }
}
export function tableOf(rows) {
  const cell = ({ state, value, unit }) => {
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
//# sourceMappingURL=report.js.map
