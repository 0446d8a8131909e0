const gap = '  ';
const indent = '    ';

/**
 * Lines of text in columns. If a terminal (`width` in characters) is too narrow for the last column, that goes below its row,
 * wrapped. Without `width` nothing moves, because a program may read it.
 */
export function table(rows: readonly (readonly string[])[], width = Number.POSITIVE_INFINITY): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const lines = rows.flatMap((row) => {
    const line = row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(gap);
    if (line.trimEnd().length <= width) return [line];
    const last = row.at(-1) ?? '';
    return [line.slice(0, line.length - last.length), ...wrap(last, width - indent.length)];
  });
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** The `width` for {@link table}: that of stdout, if it is a terminal. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > indent.length + width) lines.push(indent + word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
