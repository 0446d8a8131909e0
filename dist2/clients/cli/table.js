const gap = '  ';
const indent = '    ';
/**
 * Lines of text in columns. Where a terminal (`width` in characters given) is too narrow for the last one, it goes below
 * its row, wrapped; elsewhere nothing is moved, because what reads it may be a program.
 */
export function table(rows, width = Number.POSITIVE_INFINITY) {
  const widths = [];
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
/** The width to give to {@link table}: that of the terminal that stdout is, if it is one. */
export function terminalWidth() {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}
function wrap(text, width) {
  const lines = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > indent.length + width) lines.push(indent + word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
//# sourceMappingURL=table.js.map
