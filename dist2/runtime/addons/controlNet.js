import { floats } from '../tensors/tensor.js';
/** Pixels as a ControlNet takes them: [1, 3, height, width] in [0, 1]. */
export function guideImage({ width, height, data }) {
  const area = width * height;
  const values = new Float32Array(3 * area);
  for (let at = 0, byte = 0; at < area; at++) {
    for (let color = 0; color < 3; color++) values[color * area + at] = data[byte++] / 255;
  }
  return floats(values, [1, 3, height, width]);
}
/** What the denoiser is fed where no ControlNet acts: it spreads over whatever it is added to. */
const nothing = floats(Float32Array.of(0), [1, 1, 1, 1]);
/** How much less each residual weighs than the one after it, where the prompt or the guide image prevails. */
const FALLING = 0.825;
/**
 * The residual inputs of a denoiser for each branch of one step: the sum over all ControlNets that act in it.
 *
 * `balanced` adds all residuals to all branches. The two other modes let the fine residuals, made first, weigh less than
 * the coarse ones; `controlnet` moreover keeps them from the unconditional branch, so that guidance enlarges
 * them too. These are the three modes that the field knows from A1111's extension.
 */
export async function* controlledRows(step) {
  const { denoiser, controls, call, guidance } = step;
  const names = denoiser.inputs.map(({ name }) => name).filter((name) => name.includes('_additional_residual'));
  const active = controls.filter(({ calls: [from, to] }) => call >= from && call < to);
  if (active.length === 0) {
    const row = Object.fromEntries(names.map((name) => [name, nothing]));
    return guidance.branches.map(() => row);
  }
  const sums = guidance.branches.map(() => new Map());
  for (const control of active) {
    const outputs = control.graph.outputs.map(({ name }) => name);
    const scales = floats(scalesOf(control, outputs.length), [1, outputs.length]);
    const onlyOne = control.conditionalOnly || control.mode === 'controlnet';
    const wanted = guidance.branches.map((branch) => !onlyOne || branch.conditional !== false);
    const { shape } = step;
    const rows = guidance.branches
      .filter((_, index) => wanted[index])
      .map((branch) => {
        const { data, length, width } = branch.embeddings;
        const extras = Object.entries(branch.extras).filter(([name]) => control.graph.takes(name));
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
        const { data, dims } = (answer ?? answers[0])[output];
        const name = inputOf(output);
        const held = sum.get(name) ?? floats(new Float32Array(data.length), dims);
        if (answer) for (let at = 0; at < data.length; at++) held.data[at] += data[at];
        sum.set(name, held);
      }
    }
  }
  return sums.map((sum) => Object.fromEntries(names.map((name) => [name, sum.get(name) ?? nothing])));
}
/** The input of the denoiser that an output of a ControlNet is for. */
function inputOf(output) {
  return output === 'mid_block_res_sample'
    ? 'mid_block_additional_residual'
    : output.replace('down_block_res_samples', 'down_block_additional_residuals');
}
function scalesOf({ weight, mode }, count) {
  if (mode === 'balanced') return new Float32Array(count).fill(weight);
  return Float32Array.from({ length: count }, (_, index) => weight * FALLING ** (count - 1 - index));
}
//# sourceMappingURL=controlNet.js.map
