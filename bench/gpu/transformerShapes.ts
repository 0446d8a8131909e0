/** The transformers whose speed is measured, with their text encoders. Sizes and names of weights: ../wideShapes.ts. */
import { type WideNetwork, wideNetwork } from '../wideNetworks.ts';
import { fullSizes, tinySizes } from '../wideShapes.ts';

export const transformerNames = ['klein', 'z-image'] as const;

export type TransformerName = (typeof transformerNames)[number];

export interface TransformerShape {
  /** What rows of the table call it. */
  title: string;
  transformer: WideNetwork;
  encoder: WideNetwork;
  /** Pixels and rows of a step, in the order of worth. */
  steps: (readonly [pixels: number, rows: number])[];
}

const titles = { klein: 'FLUX.2 klein', 'z-image': 'Z-Image' };
/** Pixels of a step, on each side. */
const pixels = { full: [512, 1024], tiny: [64, 128] } as const;

/** @param tiny - in a small size, to try everything where there is no GPU */
export function transformerShape(name: TransformerName, tiny: boolean): TransformerShape {
  const sizes = tiny ? tinySizes : fullSizes;
  const [small, large] = tiny ? pixels.tiny : pixels.full;
  return {
    title: tiny ? `tiny ${titles[name]}` : titles[name],
    transformer: wideNetwork(name, sizes),
    encoder: wideNetwork(`${name} text`, sizes),
    steps: [
      [small, 1],
      [large, 1],
      [small, 2],
      [large, 2],
    ],
  };
}

/** Of one row. */
export function operationsOf(network: WideNetwork, pixels = 0): number {
  const { matrices, attention } = network.multiplications(pixels);
  return 2 * (matrices + attention);
}

/** The same for pytorch.py, which makes networks of these sizes. */
export function transformerForPython(name: TransformerName, tiny: boolean) {
  const { title, transformer, encoder, steps } = transformerShape(name, tiny);
  const { klein, zImage, qwen3 } = tiny ? tinySizes : fullSizes;
  const { tokens, states, isFilled } = encoder.reads!;
  return {
    title,
    size: name === 'klein' ? klein : zImage,
    steps: steps.map(([pixels, rows]) => [pixels, rows, rows * operationsOf(transformer, pixels)]),
    text: { size: { ...qwen3, states }, tokens, isFilled, operations: operationsOf(encoder) },
  };
}
