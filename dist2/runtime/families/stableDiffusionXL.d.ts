import type { Family } from './family.ts';
/**
 * Stable Diffusion XL: the states of two encoders side by side, the second one's projected text, and sizes of the picture.
 * A refiner has the second encoder alone, and is told a score instead of a target size.
 */
export declare const stableDiffusionXL: Family;
