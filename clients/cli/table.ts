const gap = '  ';

/**
 * Lines of text in columns. On a terminal (`width` in characters given) the last column is cut to what fits; elsewhere
 * nothing is, because what reads it may be a program.
 */
export function table(rows: readonly (readonly string[])[], width?: number): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join(gap)
      .trimEnd(),
  );
  return lines.map((line) => `${width === undefined ? line : cut(line, width)}\n`).join('');
}

/** The width to give to {@link table}: that of the terminal that stdout is, if it is one. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
}
