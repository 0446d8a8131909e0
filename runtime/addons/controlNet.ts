import { RuntimeError } from '../errors.ts';
import type { Guidance } from '../families/guidance.ts';
import type { ControlNetRequest, Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Branch, LatentShape, Part, Row } from '../run.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';

/** A ControlNet at work in one run (Zhang et al. 2023, arXiv 2302.05543). */
export interface Control {
  graph: Graph;
  /** The guide image: [1, 3, height, width] in [0, 1], or in latents, as the family says. */
  image: FloatTensor;
  /** What it is told beside latents, time and text, where that is not what the denoiser is told. */
  inputs?: ((branch: Branch) => Row) | undefined;
  weight: number;
  mode: ControlNetRequest['mode'];
  /** Whether it is kept from the unconditional branch, whatever the mode. */
  conditionalOnly: boolean;
  /** Calls it acts in: from the first up to but without the second. */
  calls: readonly [from: number, to: number];
}

/** Pixels as a ControlNet takes them: [1, 3, height, width] in [0, 1]. */
export function guideImage({ width, height, data }: Pixels): FloatTensor {
  const area = width * height;
  const values = new Float32Array(3 * area);
  for (let at = 0, byte = 0; at < area; at++) {
    for (let color = 0; color < 3; color++) values[color * area + at] = data[byte++]! / 255;
  }
  return floats(values, [1, 3, height, width]);
}

/** What the denoiser is fed where no ControlNet acts: it spreads over whatever it is added to. */
function nothingFor({ inputs }: Graph, name: string): FloatTensor {
  const { shape = [1] } = inputs.find((input) => input.name === name) ?? {};
  const dims = shape.map((size) => (typeof size === 'number' ? size : 1));
  return floats(new Float32Array(dims.reduce((product, size) => product * size, 1)), dims);
}

/** How much less each residual weighs than the one after it, where the prompt or the guide image prevails. */
const FALLING = 0.825;

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
export async function* controlledRows(step: Step): Part<Row[]> {
  const { denoiser, controls, call, guidance } = step;
  const names = denoiser.inputs.map(({ name }) => name).filter((name) => name.includes('_additional_residual'));
  const active = controls.filter(({ calls: [from, to] }) => call >= from && call < to);
  if (active.length === 0) {
    const row = Object.fromEntries(names.map((name) => [name, nothingFor(denoiser, name)]));
    return guidance.branches.map(() => row);
  }
  const sums = guidance.branches.map(() => new Map<string, FloatTensor>());
  for (const control of active) {
    const outputs = control.graph.outputs.map(({ name }) => name);
    const scaled = control.graph.inputs.find(({ name }) => name === 'conditioning_scale')?.shape[1];
    const count = typeof scaled === 'number' ? scaled : outputs.length;
    const scales = floats(scalesOf(control, count), [1, count]);
    const onlyOne = control.conditionalOnly || control.mode === 'controlnet';
    const wanted = guidance.branches.map((branch) => !onlyOne || branch.conditional !== false);
    const { shape } = step;
    const rows = guidance.branches
      .filter((_, index) => wanted[index])
      .map((branch): Row => {
        const { data, length, width } = branch.embeddings;
        const told = { ...branch.extras, ...control.inputs?.(branch) };
        const extras = Object.entries(told).filter(([name]) => control.graph.takes(name));
        return {
          sample: floats(step.scaled, [1, shape.channels, shape.height, shape.width]),
          timestep: step.timestep,
          encoder_hidden_states: floats(data, [1, length, width]),
          controlnet_cond: control.image,
          conditioning_scale: scales,
          ...Object.fromEntries(extras),
        };
      });
    const positions = shape.height * shape.width;
    const answers = yield { type: 'call', graph: control.graph, rows, outputs, positions };
    let answered = 0;
    for (const [index, sum] of sums.entries()) {
      const answer = wanted[index] ? answers[answered++] : undefined;
      for (const output of outputs) {
        const { data, dims } = (answer ?? answers[0])![output]!;
        const name = inputOf(output);
        const held = sum.get(name) ?? floats(new Float32Array(data.length), dims);
        if (held.data.length !== data.length) {
          throw new RuntimeError(
            'invalidParameter',
            'ControlNets that are used together must have the same number of blocks.',
            { parameter: 'controlNets' },
          );
        }
        if (answer) for (let at = 0; at < data.length; at++) held.data[at]! += data[at]!;
        sum.set(name, held);
      }
    }
  }
  return sums.map((sum) =>
    Object.fromEntries(names.map((name) => [name, sum.get(name) ?? nothingFor(denoiser, name)])),
  );
}

/** The input of the denoiser that an output of a ControlNet is for. */
function inputOf(output: string): string {
  if (output === 'mid_block_res_sample') return 'mid_block_additional_residual';
  return output
    .replace('down_block_res_samples', 'down_block_additional_residuals')
    .replace('block_samples', 'block_additional_residuals');
}

function scalesOf({ weight, mode }: Control, count: number): Float32Array {
  if (mode === 'balanced') return new Float32Array(count).fill(weight);
  return Float32Array.from({ length: count }, (_, index) => weight * FALLING ** (count - 1 - index));
}
