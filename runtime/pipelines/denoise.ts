import { type Control, controlledRows } from '../addons/controlNet.ts';
import { keptOf, type Shallow } from '../addons/deepCache.ts';
import { type FirstBlockCache, KeptBlocks, keptOutputs } from '../addons/firstBlockCache.ts';
import { imageInputs } from '../addons/ipAdapters.ts';
import type { Guidance } from '../families/guidance.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Call, LatentShape, Outputs, Part, Row } from '../run.ts';
import type { Scheduler } from '../schedulers/index.ts';
import type { Noise } from '../tensors/noise.ts';
import { floats } from '../tensors/tensor.ts';
import { type Blend, keepOutside } from './inpainting.ts';

export interface DenoiseOptions {
  denoiser: Graph;
  /** Inputs of the denoiser that do not change from step to step: LoRAs. */
  adapters?: Row | undefined;
  /** First-block cache; the denoiser must have its outputs. */
  firstBlockCache?: FirstBlockCache | undefined;
  /** The shallow denoiser for some calls; the whole one must output `deep_features`. */
  shallow?: Shallow | undefined;
  scheduler: Scheduler;
  /** Maps the scheduler's time step to the denoiser's input; default: unchanged. */
  toTime?: ((timestep: number) => number) | undefined;
  /** The first call; later ones are image-to-image, or the rest of a refiner. */
  first: number;
  /** The call after the last; default: all. */
  end?: number | undefined;
  /** With the noise level of the first call. */
  latents: Float32Array;
  shape: LatentShape;
  /** The noise stream of this run; some schedulers draw from it at each step. */
  noise: Noise;
  guidance: Guidance;
  controls?: readonly Control[] | undefined;
  /** Inpainting with a model without a mask input. */
  blend?: Blend | undefined;
  /** First step for counting, if another model ran earlier ones; default `first`. */
  countFrom?: number | undefined;
}

/** The denoising loop of every run; returns the last latents, scaled. */
export async function* denoise(options: DenoiseOptions): Part<Float32Array> {
  const {
    denoiser,
    adapters,
    shallow,
    firstBlockCache,
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
  const output = denoiser.gives('out_sample') ? 'out_sample' : denoiser.outputs[0]!.name;
  const positions = shape.height * shape.width;
  const draw = (count: number) => noise.normal(count);
  let { latents } = options;
  let kept: Row[] = [];
  const keptBlocks = firstBlockCache && new KeptBlocks(firstBlockCache);
  for (let call = first; call < end; call++) {
    const scaled = scheduler.scaleModelInput(latents, call);
    const time = timesteps[call]!;
    const timestep = floats(Float32Array.of(toTime ? toTime(time) : time), [1]);
    const isShallow = shallow?.calls.has(call) === true;
    const branches = guidance.unguided?.(time)
      ? guidance.branches.filter(({ conditional }) => conditional !== false)
      : guidance.branches;
    const asked = { ...guidance, branches };
    const added = isShallow
      ? kept
      : yield* controlledRows({ denoiser, controls, call, scaled, shape, timestep, guidance: asked });
    const rows = branches.map((branch, index): Row => {
      const channels = branch.channels ? shape.channels + branch.channels.length / positions : shape.channels;
      return {
        sample: floats(beside(scaled, branch.channels), [1, channels, shape.height, shape.width]),
        timestep,
        encoder_hidden_states: floats(branch.embeddings.data, [1, branch.embeddings.length, branch.embeddings.width]),
        ...branch.extras,
        ...imageInputs(isShallow ? shallow.graph : denoiser, branch.images),
        ...added[index],
      };
    });
    const { graph, adapters: shared } = isShallow ? shallow : { graph: denoiser, adapters };
    const keeps = shallow !== undefined && !isShallow && shallow.calls.has(call + 1);
    const outputs = keeps ? [output, 'deep_features'] : [output];
    let answers: Outputs[] | undefined;
    if (firstBlockCache && keptBlocks?.mayKeep(call, rows.length)) {
      const { graph: first, adapters: ofFirst } = firstBlockCache;
      const tried = keptBlocks.withKept(rows);
      const wanted = [output, 'first_residual'];
      const found = yield* askAlike({
        type: 'call',
        ...{ graph: first, rows: tried, shared: ofFirst, outputs: wanted, positions },
      });
      if (keptBlocks.accepts(found)) answers = found;
    }
    if (!answers) {
      const wanted = keptBlocks ? [...outputs, ...keptOutputs] : outputs;
      answers = yield* askAlike({ type: 'call', graph, rows, shared, outputs: wanted, positions });
      keptBlocks?.keep(answers);
    }
    if (keeps) kept = answers.map((answer, index) => keptOf(shallow.graph, answer, added[index]));
    const prediction = guidance.combine(answers.map((answer) => answer[output]!.data));
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

/** A call whose rows may differ in shape, as for prompts of different lengths; rows of the same shape share one. */
async function* askAlike(call: Call): Part<Outputs[]> {
  if (call.rows.length === 1) return yield call;
  const alike = new Map<string, number[]>();
  for (const [index, row] of call.rows.entries()) {
    const shapes = Object.values(row).map(({ dims }) => dims.join('×'));
    alike.set(shapes.join(), [...(alike.get(shapes.join()) ?? []), index]);
  }
  const answers: Outputs[] = [];
  for (const indices of alike.values()) {
    const given = yield { ...call, rows: indices.map((index) => call.rows[index]!) };
    for (const [at, index] of indices.entries()) answers[index] = given[at]!;
  }
  return answers;
}

/** Concatenates channels. */
function beside(latents: Float32Array, more: Float32Array | undefined): Float32Array {
  if (!more) return latents;
  const whole = new Float32Array(latents.length + more.length);
  whole.set(latents);
  whole.set(more, latents.length);
  return whole;
}
