import { describe, expect, it } from 'vitest';
import { type TableName, tables, withTable } from '../docs/tables.ts';

describe('the documentation', () => {
  it.each(Object.keys(tables) as TableName[])('has the table of %s that the code makes', (name) => {
    const { old, text } = withTable(name);
    expect(old, 'run `npm run docs` to write it again').toBe(text);
  });
});
