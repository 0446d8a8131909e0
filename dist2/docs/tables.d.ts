/**
 * The tables of the documentation that are made from the code. `npm run docs` writes them between the markers
 * `<!-- NAME -->` and `<!-- /NAME -->` of their files; a test fails while a file is behind the code.
 */
import { optionsTable } from '../server/config.ts';
/** Name of the marker, the file it stands in, and how the table is made. */
export declare const tables: {
  options: {
    file: string;
    make: typeof optionsTable;
  };
  metrics: {
    file: string;
    make: typeof metricsTable;
  };
};
export type TableName = keyof typeof tables;
/** The file as it should be: its text with the table made anew. */
export declare function withTable(name: TableName): {
  file: string;
  old: string;
  text: string;
};
declare function metricsTable(): string;
