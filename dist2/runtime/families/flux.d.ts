import type { Grid } from './flux2.ts';
/** Axes of FLUX.1's positions: picture, row, column. */
export type FluxPosition = readonly [picture: number, row: number, column: number];
/** Positions of FLUX.1's joint sequence: the text, the picture, and the picture that it refers to. */
export declare function fluxPositions(length: number, pictures: readonly Grid[]): FluxPosition[];
/** Latents [channels, height, width] as tokens of 2 × 2 patches: [rows · columns, (channel, dy, dx)]. */
export declare function packPatches(latents: Float32Array, channels: number, { rows, columns }: Grid): Float32Array;
