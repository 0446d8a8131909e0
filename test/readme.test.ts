import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { optionsTable } from '../server/config.ts';

describe('the README', () => {
  it('carries the table of options that the program reads', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const [, table] = /<!-- options -->\n([\s\S]*?)\n?<!-- \/options -->/.exec(readme) ?? [];
    expect(
      table,
      'print it anew: node -e "import(\'./dist/server/config.js\').then((m) => console.log(m.optionsTable()))"',
    ).toBe(optionsTable());
  });
});
