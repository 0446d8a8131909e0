/** The q-th quantile (0 to 1) of some numbers, by the nearest rank. */
export function quantile(numbers, q) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}
export function median(numbers) {
  return quantile(numbers, 0.5);
}
/** The median of a/b taken pair by pair, which holds when the machine's speed drifts between pairs. */
export function pairedRatio(a, b) {
  return median(a.map((value, i) => value / (b[i] ?? Number.NaN)));
}
/** How much y rises for each 1 of x, by least squares. */
export function slope(x, y) {
  const mean = (of) => of.reduce((sum, value) => sum + value, 0) / of.length;
  const [atX, atY] = [mean(x), mean(y)];
  const along = x.reduce((sum, value, i) => sum + (value - atX) * (y[i] - atY), 0);
  return along / x.reduce((sum, value) => sum + (value - atX) ** 2, 0);
}
export function printTable(figures) {
  const rows = figures.map((f) => [
    f.name,
    `${Number(f.value.toPrecision(4))} ${f.unit}`.trim(),
    f.goal ?? '',
    f.detail ?? '',
  ]);
  console.log(formatTable(['figure', 'value', 'goal', 'detail'], rows));
}
/** A Markdown table whose columns are as wide as their widest cell. */
export function formatTable(head, rows) {
  const widths = head.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c]?.length ?? 0)));
  const line = (row) => `| ${row.map((cell, c) => cell.padEnd(widths[c] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}
//# sourceMappingURL=figures.js.map
