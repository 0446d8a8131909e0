import { controlledRows } from '../addons/controlNet.js';
import { keptOf } from '../addons/deepCache.js';
import { floats } from '../tensors/tensor.js';
import { keepOutside } from './inpainting.js';
/** The loop that every run shares; returns the last latents, still scaled. */
export async function* denoise(options) {
  const {
    denoiser,
    adapters,
    shallow,
    scheduler,
    toTime,
    first,
    shape,
    noise,
    guidance,
    controls = [],
    blend,
  } = options;
  const { timesteps, callsPerStep } = scheduler;
  const { end = timesteps.length, countFrom = first } = options;
  const steps = Math.ceil((timesteps.length - countFrom) / callsPerStep);
  const output = denoiser.outputs[0]?.name ?? 'out_sample';
  const positions = shape.height * shape.width;
  const draw = (count) => noise.normal(count);
  let { latents } = options;
  let kept = [];
  for (let call = first; call < end; call++) {
    const scaled = scheduler.scaleModelInput(latents, call);
    const time = timesteps[call];
    const timestep = floats(Float32Array.of(toTime ? toTime(time) : time), [1]);
    const isShallow = shallow?.calls.has(call) === true;
    const added = isShallow
      ? kept
      : yield* controlledRows({ denoiser, controls, call, scaled, shape, timestep, guidance });
    const rows = guidance.branches.map((branch, index) => {
      const channels = branch.channels ? shape.channels + branch.channels.length / positions : shape.channels;
      return {
        sample: floats(beside(scaled, branch.channels), [1, channels, shape.height, shape.width]),
        timestep,
        encoder_hidden_states: floats(branch.embeddings.data, [1, branch.embeddings.length, branch.embeddings.width]),
        ...branch.extras,
        ...added[index],
      };
    });
    const { graph, adapters: shared } = isShallow ? shallow : { graph: denoiser, adapters };
    const keeps = shallow !== undefined && !isShallow && shallow.calls.has(call + 1);
    const outputs = keeps ? [output, 'deep_features'] : [output];
    const answers = yield* askAlike({ type: 'call', graph, rows, shared, outputs, positions });
    if (keeps) kept = answers.map((answer, index) => keptOf(shallow.graph, answer, added[index]));
    const prediction = guidance.combine(answers.map((answer) => answer[output].data));
    let { latents: next, denoised } = scheduler.step(prediction, call, latents, draw);
    if (blend) ({ next, denoised } = keepOutside(blend, scheduler, call, next, denoised));
    latents = next;
    const done = call - countFrom + 1;
    const whole = done % callsPerStep === 0 || call === timesteps.length - 1;
    if (!whole) continue;
    yield { type: 'stepped', step: Math.ceil(done / callsPerStep) - 1, steps, denoised, shape };
  }
  return latents;
}
/** A call whose rows may have different shapes, as prompts of different lengths give: those that are alike share one. */
async function* askAlike(call) {
  const alike = new Map();
  for (const [index, row] of call.rows.entries()) {
    const shapes = Object.values(row).map(({ dims }) => dims.join('×'));
    alike.set(shapes.join(), [...(alike.get(shapes.join()) ?? []), index]);
  }
  const answers = [];
  for (const indices of alike.values()) {
    const given = yield { ...call, rows: indices.map((index) => call.rows[index]) };
    for (const [at, index] of indices.entries()) answers[index] = given[at];
  }
  return answers;
}
/** Channels behind channels. */
function beside(latents, more) {
  if (!more) return latents;
  const whole = new Float32Array(latents.length + more.length);
  whole.set(latents);
  whole.set(more, latents.length);
  return whole;
}
//# sourceMappingURL=denoise.js.map
