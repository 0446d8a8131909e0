import type { Guidance } from '../families/guidance.ts';
import type { ControlNetRequest, Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { LatentShape, Part, Row } from '../run.ts';
import { type FloatTensor } from '../tensors/tensor.ts';
/** A ControlNet at work in one run (Zhang et al. 2023, arXiv 2302.05543). */
export interface Control {
  graph: Graph;
  /** The guide image, [1, 3, height, width] in [0, 1]. */
  image: FloatTensor;
  weight: number;
  mode: ControlNetRequest['mode'];
  /** Whether it is kept from the unconditional branch, whatever the mode. */
  conditionalOnly: boolean;
  /** Calls it acts in: from the first up to but without the second. */
  calls: readonly [from: number, to: number];
}
/** Pixels as a ControlNet takes them: [1, 3, height, width] in [0, 1]. */
export declare function guideImage({ width, height, data }: Pixels): FloatTensor;
interface Step {
  denoiser: Graph;
  controls: readonly Control[];
  call: number;
  /** [channels, height, width], as the denoiser is shown them. */
  scaled: Float32Array;
  shape: LatentShape;
  timestep: FloatTensor;
  guidance: Guidance;
}
/**
 * The residual inputs of a denoiser for each branch of one step: the sum over all ControlNets that act in it.
 *
 * `balanced` adds all residuals to all branches. The two other modes let the fine residuals, made first, weigh less than
 * the coarse ones; `controlnet` moreover keeps them from the unconditional branch, so that guidance enlarges
 * them too. These are the three modes that the field knows from A1111's extension.
 */
export declare function controlledRows(step: Step): Part<Row[]>;
