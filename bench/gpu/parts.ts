/** The parts of bench:gpu in their order of worth, and how the time is divided among them. */

export interface Part {
  name: string;
  /** Seconds of a run of four minutes; other runs are divided in the same proportion. */
  seconds: number;
  /** With less it is not begun. */
  leastSeconds: number;
  /** Measured by PyTorch, or by our own runtime. */
  by: 'latentwire' | 'pytorch';
}

export const parts = [
  { name: 'adapter', seconds: 10, leastSeconds: 3, by: 'latentwire' },
  { name: 'peak', seconds: 12, leastSeconds: 3, by: 'latentwire' },
  { name: 'correctness', seconds: 18, leastSeconds: 5, by: 'latentwire' },
  { name: 'embedded', seconds: 22, leastSeconds: 10, by: 'latentwire' },
  { name: 'klein', seconds: 50, leastSeconds: 10, by: 'latentwire' },
  { name: 'sd15', seconds: 24, leastSeconds: 10, by: 'latentwire' },
  { name: 'z-image', seconds: 40, leastSeconds: 10, by: 'latentwire' },
  { name: 'sdxl', seconds: 20, leastSeconds: 10, by: 'latentwire' },
  { name: 'pytorch', seconds: 30, leastSeconds: 15, by: 'pytorch' },
  { name: 'mixed', seconds: 14, leastSeconds: 12, by: 'latentwire' },
] as const satisfies readonly Part[];

export type PartName = (typeof parts)[number]['name'];

/**
 * Milliseconds for the first of some parts that are still to come: its proportion of the time that is left, so that what
 * earlier parts left over is divided among the later ones. Undefined when that is too little for it.
 */
export function shareOf(coming: readonly Part[], leftMs: number): number | undefined {
  const [part] = coming;
  if (part === undefined) return undefined;
  const all = coming.reduce((sum, { seconds }) => sum + seconds, 0);
  const ms = (leftMs * part.seconds) / all;
  return ms < part.leastSeconds * 1000 ? undefined : ms;
}
