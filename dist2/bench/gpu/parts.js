/** The parts of bench:gpu in their order of worth, and how the time is divided among them. */
export const parts = [
  { name: 'adapter', seconds: 15, leastSeconds: 3, by: 'latentwire' },
  { name: 'peak', seconds: 15, leastSeconds: 3, by: 'latentwire' },
  { name: 'correctness', seconds: 25, leastSeconds: 5, by: 'latentwire' },
  { name: 'embedded', seconds: 35, leastSeconds: 10, by: 'latentwire' },
  { name: 'sd15', seconds: 45, leastSeconds: 10, by: 'latentwire' },
  { name: 'sdxl', seconds: 40, leastSeconds: 10, by: 'latentwire' },
  { name: 'pytorch', seconds: 40, leastSeconds: 15, by: 'pytorch' },
  { name: 'mixed', seconds: 25, leastSeconds: 12, by: 'latentwire' },
];
/**
 * Milliseconds for the first of some parts that are still to come: its proportion of the time that is left, so that what
 * earlier parts left over is divided among the later ones. Undefined when that is too little for it.
 */
export function shareOf(coming, leftMs) {
  const [part] = coming;
  if (part === undefined) return undefined;
  const all = coming.reduce((sum, { seconds }) => sum + seconds, 0);
  const ms = (leftMs * part.seconds) / all;
  return ms < part.leastSeconds * 1000 ? undefined : ms;
}
//# sourceMappingURL=parts.js.map
