import { expect, test, vi } from 'vitest';
import { Progress } from '../../clients/cli/progress.ts';
import type { ImageResult } from '../../clients/typescript/index.ts';

test('a warning about a task is told once, however many results repeat it', () => {
  const said: string[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  const names = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const progress = new Progress(2);
    const warnings = [{ code: 'unknownParameter', parameter: 'stepz', message: 'stepz is not known.' }] as const;
    const result = { seed: 7, warnings: [...warnings] } as unknown as ImageResult;
    progress.wrote('a.png', result);
    progress.wrote('b.png', result);
    expect(said.filter((line) => line.startsWith('Warning'))).toEqual(['Warning: stepz is not known.\n']);
  } finally {
    write.mockRestore();
    names.mockRestore();
  }
});
