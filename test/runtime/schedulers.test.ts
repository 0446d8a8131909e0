import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  createScheduler,
  type FlowSchedule,
  firstCall,
  isFlowModel,
  noSuchScheduler,
  resolveScheduler,
  type Scheduler,
  type SchedulerConfig,
  type SchedulerName,
  schedulerSpellings,
  schedulers,
} from '../../runtime/schedulers/index.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';

interface Reference {
  name: string;
  scheduler: SchedulerName;
  config: SchedulerConfig;
  steps: number;
  /** Of flow models: what `set_timesteps` was given beside the steps. */
  mu?: number;
  sigmasArgument?: number[] | 'linspace(1, 1/steps, steps)';
  timesteps: number[];
  sigmas?: number[];
  initNoiseSigma?: number;
  strength?: number;
  startStep?: number;
  noised?: number[];
  latents: number[][];
  noise: number[][];
}

// Origin and tolerance: test/fixtures/README.md.
interface References {
  pattern: number[];
  initial: number[];
  imageLatents: number[];
  cases: Reference[];
}
const readReferences = (name: string) => {
  const fixture = new URL(`../fixtures/${name}`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(fixture)).toString('utf8')) as References;
};
const references = readReferences('schedulers.json.gz');
/** The same for models of flow matching. */
const flowReferences = readReferences('schedulersFlow.json.gz');
const cases = [references, flowReferences].flatMap((from) => from.cases.map((reference) => ({ ...reference, from })));
const initial = Float32Array.from(references.initial);

const names = Object.keys(schedulers) as SchedulerName[];
const stableDiffusion: SchedulerConfig = {
  _class_name: 'PNDMScheduler',
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  clip_sample: false,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
};

/** A config that suits the scheduler: these are for models of their own kind. */
const configFor = (name: SchedulerName): SchedulerConfig =>
  name.startsWith('FlowMatch') || name === 'IPNDMScheduler'
    ? { _class_name: name }
    : { ...stableDiffusion, _class_name: name };

/** The model of the reference numbers: 0.4 x + 0.2 pattern cos(πt / 1000). */
const toyModel = (input: Float32Array, timestep: number, pattern = references.pattern): Float32Array =>
  input.map((value, i) => 0.4 * value + 0.2 * pattern[i]! * Math.cos((Math.PI * timestep) / 1000));

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, what: string, within = 1e-4): void {
  expect(got.length, what).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i]! - want[i]!) / Math.max(1, Math.abs(want[i]!));
    if (!(error <= within)) expect.fail(`${what}, value ${i}: ${got[i]} instead of ${want[i]}`);
  }
}

/** Runs a scheduler from `call` to the end and yields what every call gave. */
function* denoise(
  scheduler: Scheduler,
  latents: Float32Array,
  noise: (count: number) => Float32Array,
  call = 0,
  pattern = references.pattern,
) {
  for (; call < scheduler.timesteps.length; call++) {
    const prediction = toyModel(scheduler.scaleModelInput(latents, call), scheduler.timesteps[call]!, pattern);
    const step = scheduler.step(prediction, call, latents, noise);
    yield step;
    latents = step.latents;
  }
}

const scaled = (latents: Float32Array, factor: number): Float32Array => latents.map((value) => value * factor);

describe.each(names)('%s', (name) => {
  const own = cases.filter((reference) => reference.scheduler === name);

  test('has reference numbers', () => {
    expect(own.length, 'add cases for it to test/fixtures/').toBeGreaterThan(0);
  });

  test.each(own)('gives the latents of diffusers after every call: $name', (reference) => {
    const { mu, sigmasArgument: given } = reference;
    const flow = { mu, sigmas: typeof given === 'string' ? ('even' as const) : given };
    const scheduler = createScheduler({ ...reference.config, _class_name: name }, undefined, reference.steps, flow);
    const start = reference.strength === undefined ? 0 : firstCall(scheduler, reference.steps, reference.strength);
    expectClose(scheduler.timesteps.slice(start), reference.timesteps, 'timesteps');

    const { from } = reference;
    const first = Float32Array.from(from.initial);
    let latents = scaled(first, scheduler.initNoiseSigma);
    if (reference.noised) {
      if (reference.startStep !== undefined) expect(start).toBe(reference.startStep * scheduler.callsPerStep);
      latents = scheduler.addNoise(Float32Array.from(from.imageLatents), first, start);
      expectClose(latents, reference.noised, 'noised');
    } else {
      expectClose([scheduler.initNoiseSigma], [reference.initNoiseSigma!], 'initNoiseSigma');
    }

    let draws = 0;
    const draw = () => Float32Array.from(reference.noise[draws++]!);
    const steps = denoise(scheduler, latents, draw, start, from.pattern);
    const got = [...steps].map((step) => step.latents);
    expect(got).toHaveLength(reference.latents.length);
    // diffusers' DEIS subtracts e^7 x from e^7 ε in float32 at the first step of a flow schedule; here it is float64.
    const within = reference.name === 'deis-flow-4' ? 1.5e-4 : 1e-4;
    got.forEach((values, call) => {
      expectClose(values, reference.latents[call]!, `latents after call ${call}`, within);
    });
    // As many draws as in diffusers, or a seed would give other noise from there on. Euler's feed nothing there.
    expect(draws).toBe(name === 'EulerDiscreteScheduler' ? 0 : reference.noise.length);
  });

  test('is made for one run: runs that take turns do not disturb each other', () => {
    const start = () => {
      const scheduler = createScheduler(configFor(name), undefined, 6);
      const noise = createNoise(7n);
      return denoise(scheduler, scaled(initial, scheduler.initNoiseSigma), (count) => noise.normal(count));
    };
    const alone = [...start()];
    const [a, b] = [start(), start()];
    for (const expected of alone) {
      expect(a.next().value).toEqual(expected);
      expect(b.next().value).toEqual(expected);
    }
  });

  test('leaves its arguments as they were', () => {
    const scheduler = createScheduler(configFor(name), undefined, 6);
    const noise = createNoise(7n);
    let latents = scaled(initial, scheduler.initNoiseSigma);
    for (let call = 0; call < scheduler.timesteps.length; call++) {
      const prediction = toyModel(latents, scheduler.timesteps[call]!);
      const [latentsBefore, predictionBefore] = [latents.slice(), prediction.slice()];
      scheduler.scaleModelInput(latents, call);
      scheduler.addNoise(latents, prediction, call);
      const step = scheduler.step(prediction, call, latents, (count) => noise.normal(count));
      expect(latents).toEqual(latentsBefore);
      expect(prediction).toEqual(predictionBefore);
      latents = step.latents;
    }
  });

  test.each([1, 2, 3, 7, 20])('believes in the true latents when predictions are perfect, in %i steps', (steps) => {
    const clean = Float32Array.from(references.imageLatents);
    const noise = createNoise(11n);
    for (const type of predictionTypes(name)) {
      const scheduler = createScheduler({ ...configFor(name), prediction_type: type }, undefined, steps);
      let latents = scheduler.addNoise(clean, initial, 0);
      for (let call = 0; call < scheduler.timesteps.length; call++) {
        const prediction = perfectPrediction(type, scheduler, call, latents, clean);
        const step = scheduler.step(prediction, call, latents, (count) => noise.normal(count));
        expectClose(step.denoised, clean, `${type}: denoised at call ${call}`, 1e-3);
        latents = step.latents;
      }
    }
  });

  test('runs one step from noise', () => {
    const scheduler = createScheduler(configFor(name), undefined, 1);
    const steps = [...denoise(scheduler, scaled(initial, scheduler.initNoiseSigma), (n) => new Float32Array(n))];
    expect(steps).toHaveLength(1);
    expect(steps[0]!.latents.every(Number.isFinite)).toBe(true);
  });

  test('has finite timesteps that never rise, whatever the number of steps', () => {
    const distilled = name === 'LCMScheduler' || name === 'TCDScheduler';
    const counts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 47, 50, ...(distilled ? [] : [64, 99, 100, 150, 333, 500])];
    for (const steps of counts) {
      const { timesteps, addNoise } = createScheduler(configFor(name), undefined, steps);
      timesteps.forEach((timestep, call) => {
        expect(timestep).toBeLessThanOrEqual((timesteps[call - 1] ?? 1000) + 1e-9);
        expect(timestep).toBeGreaterThanOrEqual(0);
        expect(addNoise(Float32Array.of(0), Float32Array.of(1), call)[0]).toBeGreaterThan(0);
      });
    }
  });
});

function predictionTypes(name: SchedulerName): string[] {
  if (name.startsWith('FlowMatch')) return ['flow'];
  if (name === 'IPNDMScheduler') return ['v_prediction'];
  return ['epsilon', 'sample', 'v_prediction'];
}

/** What a model would return that knows the clean latents. The level is read off `addNoise`. */
function perfectPrediction(
  type: string,
  scheduler: Scheduler,
  call: number,
  latents: Float32Array,
  clean: Float32Array,
): Float32Array {
  const [one, zero] = [Float32Array.of(1), Float32Array.of(0)];
  const alpha = scheduler.addNoise(one, zero, call)[0]!;
  const sigma = scheduler.addNoise(zero, one, call)[0]!;
  const deviation = Math.hypot(alpha, sigma);
  return latents.map((value, i) => {
    const x0 = clean[i]!;
    const epsilon = (value - alpha * x0) / sigma;
    switch (type) {
      case 'epsilon':
        return epsilon;
      case 'sample':
        return x0;
      case 'flow':
        return epsilon - x0;
      default:
        return (alpha * epsilon - sigma * x0) / deviation;
    }
  });
}

test('refers only to schedulers that exist', () => {
  expect(names).toEqual(expect.arrayContaining([...new Set(cases.map((reference) => reference.scheduler))]));
});

describe('spellings', () => {
  // Names of Runware's schemas that stand for nothing here, and what is said of each.
  const absent: Record<string, RegExp> = {
    DPMSolverMultistepInverse: /inverts a picture to noise/,
  };
  const runware =
    `DDIM · DDIMScheduler · DDPMScheduler · DEISMultistepScheduler · Default · DPM++ · DPM++ 2M · DPM++ 2M Beta ·
    DPM++ 2M Exponential · DPM++ 2M Karras · DPM++ 2M SDE · DPM++ 2M SDE Beta · DPM++ 2M SDE Exponential ·
    DPM++ 2M SDE Karras · DPM++ 2M SDE Uniform · DPM++ 2M Uniform · DPM++ 3M · DPM++ 3M Beta · DPM++ 3M Exponential ·
    DPM++ 3M Karras · DPM++ 3M SDE Uniform · DPM++ 3M Uniform · DPM++ Beta · DPM++ Exponential · DPM++ Karras ·
    DPM++ SDE · DPM++ SDE Beta · DPM++ SDE Exponential · DPM++ SDE Karras · DPM++ Uniform · DPM++ Uniform Beta ·
    DPM++ Uniform Exponential · DPM++ Uniform Karras · DPMSolverMultistepInverse · DPMSolverMultistepScheduler ·
    DPMSolverSinglestepScheduler · EDMDPMSolverMultistepScheduler · EDMEulerScheduler · Euler · Euler a · Euler Beta ·
    Euler Exponential · Euler Karras · EulerAncestralDiscreteScheduler · EulerDiscreteScheduler ·
    FlowMatchEulerDiscreteScheduler · Heun · HeunDiscreteScheduler · Heun Karras · IPNDMScheduler · IPNDM Uniform ·
    IPNDM Uniform Beta · IPNDM Uniform Exponential · IPNDM Uniform Karras · KDPM2AncestralDiscreteScheduler ·
    KDPM2DiscreteScheduler · LCM · LCMScheduler · LMS · LMSDiscreteScheduler · LMS Karras · PNDMScheduler · TCDScheduler ·
    UniPC · UniPC 2M · UniPC 2M Karras · UniPC 2M Uniform · UniPC 3M · UniPC 3M Karras · UniPC 3M Uniform · UniPC Karras ·
    UniPC Uniform · UniPC Uniform Beta · UniPC Uniform Exponential · UniPC Uniform Karras`
      .split('·')
      .map((spelling) => spelling.trim());

  test('of Runware are 75', () => {
    expect(new Set(runware).size).toBe(75);
    expect(Object.keys(absent).filter((spelling) => !runware.includes(spelling))).toEqual([]);
  });

  test.each(runware)('of Runware stand for a scheduler that runs, or say why not: %s', (spelling) => {
    const choice = resolveScheduler(spelling);
    const reason = absent[spelling];
    expect(choice === undefined).toBe(reason !== undefined);
    if (reason) expect(noSuchScheduler(spelling)).toMatch(reason);
    if (!choice) return;
    // All of them serve Stable Diffusion, those of flow matching as the same step for its kind of model.
    const scheduler = createScheduler(stableDiffusion, choice, 12);
    const noise = createNoise(3n);
    const steps = denoise(scheduler, scaled(initial, scheduler.initNoiseSigma), (count) => noise.normal(count));
    expect([...steps].at(-1)!.latents.every(Number.isFinite)).toBe(true);
  });

  test.each([
    ['DPMSolverMultistep', 'DPMSolverMultistepScheduler'],
    ['EulerDiscrete', 'EulerDiscreteScheduler'],
    ['EulerAncestralDiscrete', 'EulerAncestralDiscreteScheduler'],
    ['EulerAncestral', 'EulerAncestralDiscreteScheduler'],
    ['UniPCMultistep', 'UniPCMultistepScheduler'],
    ['DEISMultistep', 'DEISMultistepScheduler'],
    ['DPMSolverSinglestep', 'DPMSolverSinglestepScheduler'],
    ['HeunDiscrete', 'HeunDiscreteScheduler'],
    ['KDPM2Discrete', 'KDPM2DiscreteScheduler'],
    ['KDPM2Ancestral', 'KDPM2AncestralDiscreteScheduler'],
    ['LMSDiscrete', 'LMSDiscreteScheduler'],
    ['FlowMatchEulerDiscrete', 'FlowMatchEulerDiscreteScheduler'],
    ['FlowMatchEuler', 'FlowMatchEulerDiscreteScheduler'],
    ['FlowMatchHeunDiscrete', 'FlowMatchHeunDiscreteScheduler'],
    ['DDIMParallelScheduler', 'DDIMScheduler'],
    ['ddpmparallel', 'DDPMScheduler'],
  ])('of classes of diffusers need not end in Scheduler or Discrete: %s', (spelling, name) => {
    expect(resolveScheduler(spelling)?._class_name).toBe(name);
  });

  test.each([
    ['dpmpp_2m', 'DPM++ 2M'],
    ['dpmpp_2m_karras', 'DPM++ 2M Karras'],
    ['dpmpp_2m_sde_gpu', 'DPM++ 2M SDE'],
    ['dpmpp_3m_sde', 'DPM++ 3M SDE'],
    ['dpmpp_sde', 'DPM++ SDE'],
    ['euler_ancestral', 'Euler a'],
    ['sample_euler_ancestral', 'Euler a'],
    ['k_euler_a', 'Euler a'],
    ['k_lms', 'LMS'],
    ['k-heun', 'Heun'],
    ['dpm_2', 'DPM2'],
    ['k_dpm_2_a', 'DPM2 a'],
    ['dpm_2_ancestral', 'DPM2 a'],
    ['uni_pc', 'UniPC'],
    ['PLMS', 'PNDM'],
    ['DPM2 a Karras', 'DPM2 a Karras'],
    ['EDMEulerScheduler', 'Euler Karras'],
    ['EDMDPMSolverMultistepScheduler', 'DPM++ 2M Karras'],
  ])('of other tools are those of Runware: %s is %s', (spelling, meant) => {
    expect(resolveScheduler(spelling)).toBeDefined();
    expect(resolveScheduler(spelling)).toEqual(resolveScheduler(meant));
  });

  test.each([
    ['DPMSolverSDEScheduler', /Brownian/],
    ['dpmpp_2s_ancestral', /DPM\+\+ 2S is the same without/],
    ['DPM adaptive', /its own number of steps/],
    ['DDIMInverseScheduler', /inverts a picture to noise/],
    ['CosineDPMSolverMultistepScheduler', /a kind of model that is not supported/],
  ])('that stand for nothing here say why: %s', (spelling, reason) => {
    expect(resolveScheduler(spelling)).toBeUndefined();
    expect(noSuchScheduler(spelling)).toMatch(reason);
  });

  test('of one method in other spacings have other timesteps', () => {
    const timesteps = (spelling: string) => createScheduler(stableDiffusion, resolveScheduler(spelling), 9).timesteps;
    for (const method of ['Euler', 'DPM++ 2M', 'DPM++ 3M', 'UniPC', 'LMS', 'Heun']) {
      const spaced = ['', ' Karras', ' Exponential', ' Beta'].map((spacing) => timesteps(method + spacing));
      expect(new Set(spaced.map(String)).size, method).toBe(4);
      expect(timesteps(`${method} Uniform`)).toEqual(spaced[0]);
    }
  });

  test('that stand for nothing are answered with those that do', () => {
    expect(noSuchScheduler(' karrasvescheduler')).toMatch(
      /^Unknown scheduler karrasvescheduler: it is for a kind of model .*\. Known: Default, DDIM, .*UniPCMultistepScheduler\.$/,
    );
    expect(noSuchScheduler('Euler b')).toMatch(/^Unknown scheduler Euler b\. Known: Default, /);
  });

  test('may vary in case and white space', () => {
    expect(resolveScheduler('  dpm++  2m sde KARRAS\n')).toBe(resolveScheduler('DPM++ 2M SDE Karras'));
    expect(resolveScheduler('dpm++ uniform karras')).toBe(resolveScheduler('DPM++ Karras'));
    expect(resolveScheduler('eulerancestraldiscretescheduler')?._class_name).toBe('EulerAncestralDiscreteScheduler');
  });

  test('that are unknown stand for nothing', () => {
    for (const spelling of ['', 'Euler b', 'Karras', 'constructor', 'Euler Karras Beta']) {
      expect(resolveScheduler(spelling)).toBeUndefined();
    }
  });

  test('are all listed, once, and all understood', () => {
    const listed = schedulerSpellings();
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed.filter((spelling) => !resolveScheduler(spelling))).toEqual([]);
  });

  test('take precedence over the config for what they name, and leave the rest to it', () => {
    const config = { ...stableDiffusion, use_karras_sigmas: true, timestep_spacing: 'leading' };
    const timesteps = (spelling: string) => createScheduler(config, resolveScheduler(spelling), 4).timesteps;
    expect(timesteps('Euler')).toEqual([751, 501, 251, 1]);
    expect(timesteps('Euler Uniform')).toEqual([751, 501, 251, 1]);
    expect(timesteps('EulerDiscreteScheduler')).not.toEqual([751, 501, 251, 1]);
    expect(timesteps('EulerDiscreteScheduler')).toEqual(timesteps('Euler Karras'));
    expect(timesteps('Default')).toHaveLength(5);
  });
});

describe('sigma spacings', () => {
  const sigmasOf = (spelling: string) => {
    const scheduler = createScheduler(stableDiffusion, resolveScheduler(spelling), 5);
    const [zero, one] = [Float32Array.of(0), Float32Array.of(1)];
    return scheduler.timesteps.map((_, call) => scheduler.addNoise(zero, one, call)[0]!);
  };
  const [largest, smallest] = [14.614645004272461, 0.029167532920837402];

  test('exponential falls by equal factors', () => {
    const factor = (smallest / largest) ** (1 / 4);
    expectClose(
      sigmasOf('Euler Exponential'),
      [0, 1, 2, 3, 4].map((i) => largest * factor ** i),
      'sigmas',
    );
  });

  test('beta follows the quantiles of Beta(0.6, 0.6)', () => {
    // scipy.stats.beta.ppf([1, 0.75, 0.5, 0.25, 0], 0.6, 0.6), SciPy 1.17
    const quantiles = [1, 0.824319621347305, 0.5, 0.17568037865269498, 0];
    expectClose(
      sigmasOf('Euler Beta'),
      quantiles.map((q) => smallest + q * (largest - smallest)),
      'sigmas',
      1e-6,
    );
  });
});

describe('a scheduler is refused with a sentence', () => {
  const refusals: [string, SchedulerConfig, string, number, RegExp][] = [
    [
      'that has no form for a flow model',
      { _class_name: 'FlowMatchEulerDiscreteScheduler' },
      'Euler a',
      4,
      /does not work with models of flow matching. These work: Default, DDIM, .*DPM\+\+ 2M, .*UniPCMulti/,
    ],
    ['for a model of EDM', { _class_name: 'EDMEulerScheduler' }, 'Euler', 4, /models of EDM diffusion/],
    [
      'that the model names but is not here',
      { _class_name: 'VQDiffusionScheduler' },
      'Default',
      4,
      /VQDiffusionScheduler/,
    ],
    ['with an option that is not supported', { ...stableDiffusion, thresholding: true }, 'DDIM', 4, /thresholding/],
    ['with an unknown prediction type', { ...stableDiffusion, prediction_type: 'x' }, 'DDIM', 4, /epsilon, sample/],
    ['with an unknown spacing', { ...stableDiffusion, timestep_spacing: 'x' }, 'DDIM', 4, /linspace, leading/],
    ['with unknown betas', { ...stableDiffusion, beta_schedule: 'x' }, 'DDIM', 4, /scaled_linear/],
    ['with no step', stableDiffusion, 'DDIM', 0, /from 1 to 500/],
    ['with half a step', stableDiffusion, 'DDIM', 1.5, /from 1 to 500/],
    ['with more steps than timesteps can tell apart', stableDiffusion, 'DDIM', 501, /from 1 to 500/],
    ['with more steps than were distilled', stableDiffusion, 'LCM', 51, /at most 50 steps/],
  ];

  test.each(refusals)('%s', (_, config, spelling, steps, message) => {
    expect(() => createScheduler(config, resolveScheduler(spelling), steps)).toThrow(message);
  });
});

describe('the sigmas of a flow model', () => {
  const dynamic = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3, use_dynamic_shifting: true };
  const timesteps = (config: SchedulerConfig, spelling: string, flow: FlowSchedule) =>
    createScheduler(config, resolveScheduler(spelling), 4, flow).timesteps;
  const every = [
    'Default',
    'Euler',
    'Heun',
    'LCM',
    'DPM++ 2M',
    'DPM++ 2M SDE',
    'DPM++ 2S',
    'DEIS',
    'UniPC',
    'Euler Beta',
  ];

  test.each(every)('follow the shift of a task whatever the config says: %s', (spelling) => {
    const plain = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 5 };
    const wanted = timesteps({ ...plain, shift: 2 }, spelling, { sigmas: 'even' });
    expectClose(timesteps(plain, spelling, { shift: 2, sigmas: 'even' }), wanted, 'instead of a static shift');
    expectClose(timesteps(dynamic, spelling, { shift: 2, mu: 1.15, sigmas: 'even' }), wanted, 'instead of mu');
    expect(timesteps(plain, spelling, { sigmas: 'even' })).not.toEqual(wanted);
  });

  test('may be given to every scheduler as a list', () => {
    const sigmas = [0.9, 0.5, 0.3, 0.1];
    const given = sigmas.map((sigma) => (1000 * 2 * sigma) / (1 + sigma));
    for (const spelling of ['Euler', 'LCM'])
      expectClose(timesteps(dynamic, spelling, { shift: 2, sigmas }), given, spelling);
    for (const spelling of ['DPM++ 2M', 'UniPC', 'DEIS']) {
      expect(timesteps(dynamic, spelling, { shift: 2, sigmas }), spelling).toEqual(given.map(Math.trunc));
    }
  });

  test('are refused where they do not fit', () => {
    const make = (flow: FlowSchedule) => () => timesteps(dynamic, 'Default', flow);
    expect(make({})).toThrow(/no mu was given/);
    for (const shift of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(make({ shift })).toThrow(/shift is .* must be greater than 0/);
    }
    for (const sigmas of [
      [1, 0.5],
      [1, 0.5, 0.5, 0.1],
      [1.1, 0.5, 0.4, 0.1],
      [1, 0.5, 0.4, 0],
    ]) {
      expect(make({ mu: 1, sigmas })).toThrow(/one for each of the 4 steps, decreasing/);
    }
  });

  test('belong to flow models alone', () => {
    expect(isFlowModel(dynamic)).toBe(true);
    expect(isFlowModel({ prediction_type: 'flow_prediction' })).toBe(true);
    expect(isFlowModel(stableDiffusion)).toBe(false);
  });

  test('of DEIS by its Runware name end at 0, so that no noise is left in the picture', () => {
    const clean = Float32Array.from(references.imageLatents);
    const scheduler = createScheduler({ ...dynamic, shift: 3 }, resolveScheduler('DEIS'), 6, { mu: 1 });
    const zero = Float32Array.from(clean, () => 0);
    let latents = scheduler.addNoise(clean, initial, 0);
    for (let call = 0; call < 6; call++) {
      const prediction = perfectPrediction('flow', scheduler, call, latents, clean);
      latents = scheduler.step(prediction, call, latents, () => zero).latents;
    }
    expectClose(latents, clean, 'the picture', 1e-3);
  });
});

describe('image-to-image', () => {
  const start = (spelling: string, steps: number, strength: number) =>
    firstCall(createScheduler(stableDiffusion, resolveScheduler(spelling), steps), steps, strength);

  test('runs the last floor(steps * strength) steps', () => {
    expect(start('DDIM', 20, 0.3)).toBe(14);
    expect(start('DDIM', 10, 0.55)).toBe(5);
    expect(start('DDIM', 20, 1)).toBe(0);
  });

  test('counts two calls a step where a scheduler makes them', () => {
    expect(start('Heun', 20, 0.3)).toBe(28);
    expect(start('DPM2 a', 20, 0.5)).toBe(20);
  });

  test('runs a step that is covered in part for flow models', () => {
    const scheduler = createScheduler({ _class_name: 'FlowMatchEulerDiscreteScheduler' }, undefined, 8);
    expect(firstCall(scheduler, 8, 0.7)).toBe(3);
    expect(firstCall(scheduler, 8, 0.7, 'run')).toBe(2);
    expect(firstCall(scheduler, 8, 0.01, 'run')).toBe(7);
    expect(firstCall(scheduler, 8, 0, 'run')).toBe(8);
    expect(firstCall(scheduler, 8, 1, 'run')).toBe(0);
  });

  test('has no call left where strength is too small for a step', () => {
    expect(start('DDIM', 20, 0.01)).toBe(20);
    expect(start('Heun', 20, 0)).toBe(39);
    expect(start('PNDM', 20, 0)).toBe(21);
  });
});

describe('a problem with a known solution: Gaussian pictures, whose best denoiser is linear', () => {
  // Distilled models do not denoise: their schedulers jump, and would shrink these pictures to their mean.
  const applicable = schedulerSpellings().filter((spelling) => {
    const name = resolveScheduler(spelling)?._class_name;
    return name === undefined || !['LCMScheduler', 'TCDScheduler', 'FlowMatchLCMScheduler'].includes(name);
  });

  const kinds: [string, SchedulerConfig, string][] = [
    ['diffusion', stableDiffusion, 'epsilon'],
    ['flow matching', { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 }, 'flow'],
    ['diffusion in continuous time', { _class_name: 'IPNDMScheduler' }, 'v_prediction'],
  ];
  const rows = kinds.flatMap(([kind, config, type]) =>
    schedulerSpellings(config)
      .filter((spelling) => applicable.includes(spelling))
      .map((spelling) => [spelling, kind, config, type] as const),
  );

  // 8 % is room for methods of the first order in 200 steps, and for the spread of 2048 values.
  test.each(rows)('%s keeps their spread: %s', (spelling, _, config, type) => {
    const spread = 0.6;
    const scheduler = createScheduler(config, resolveScheduler(spelling), 200);
    const [zero, one] = [Float32Array.of(0), Float32Array.of(1)];
    const noise = createNoise(5n);
    let latents = scaled(noise.normal(2048), scheduler.initNoiseSigma);
    for (let call = 0; call < scheduler.timesteps.length; call++) {
      const alpha = scheduler.addNoise(one, zero, call)[0]!;
      const sigma = scheduler.addNoise(zero, one, call)[0]!;
      // E[x₀ | x] = α s² x / (α² s² + σ²)
      const clean = scaled(latents, (alpha * spread ** 2) / ((alpha * spread) ** 2 + sigma ** 2));
      const prediction = perfectPrediction(type, scheduler, call, latents, clean);
      latents = scheduler.step(prediction, call, latents, (count) => noise.normal(count)).latents;
    }
    const deviation = Math.sqrt(latents.reduce((sum, value) => sum + value ** 2, 0) / latents.length);
    expect(Math.abs(deviation / spread - 1)).toBeLessThan(0.08);
  });

  test('serve at least Euler, Heun and the multistep solvers for flow matching', () => {
    const flow = schedulerSpellings({ _class_name: 'FlowMatchEulerDiscreteScheduler' });
    expect(flow).toEqual(expect.arrayContaining(['Default', 'DDIM', 'Euler', 'Euler Karras', 'Heun', 'LCM', 'UniPC']));
    expect(flow).toEqual(expect.arrayContaining(['DPM++ 2M', 'DPM++ 2M SDE', 'DPM++ 3M', 'DPM++ 2S']));
    expect(flow).toEqual(expect.arrayContaining(['DPM++ 2M Karras', 'UniPC Beta', 'DEIS']));
    expect(schedulerSpellings(stableDiffusion)).toEqual(schedulerSpellings());
  });
});

describe('models of few steps', () => {
  const timestepsOf = (config: SchedulerConfig, spelling: string, steps: number) =>
    createScheduler({ ...stableDiffusion, ...config }, resolveScheduler(spelling), steps).timesteps;

  test('with trailing timesteps begin at the last one, whatever the scheduler', () => {
    // Lin et al. 2023, table 2: T − i T / S, counted from 1.
    for (const spelling of ['DDIM', 'DDPM', 'Euler', 'Euler a', 'LMS', 'DPM++ 2M', 'DPM++ 2S', 'DEIS', 'UniPC']) {
      expect(timestepsOf({ timestep_spacing: 'trailing' }, spelling, 1), spelling).toEqual([999]);
      expect(timestepsOf({ timestep_spacing: 'trailing' }, spelling, 4), spelling).toEqual([999, 749, 499, 249]);
    }
  });

  test('distilled ones take some of the timesteps that they were distilled on', () => {
    expect(timestepsOf({}, 'LCM', 4)).toEqual([999, 759, 499, 259]);
    expect(timestepsOf({ original_inference_steps: 100 }, 'LCM', 2)).toEqual([999, 499]);
    expect(timestepsOf({}, 'TCD', 2)).toEqual([999, 499]);
  });

  test('without any signal at the last timestep begin at pure noise', () => {
    const zeroSnr = { rescale_betas_zero_snr: true, timestep_spacing: 'trailing', prediction_type: 'v_prediction' };
    const [one, zero] = [Float32Array.of(1), Float32Array.of(0)];
    for (const spelling of ['DDIM', 'DDPM', 'LCM', 'TCD', 'DPM++ 2M', 'UniPC', 'Euler', 'Euler a']) {
      const scheduler = createScheduler({ ...stableDiffusion, ...zeroSnr }, resolveScheduler(spelling), 4);
      const signal = scheduler.addNoise(one, zero, 0)[0]!;
      const noise = scheduler.addNoise(zero, one, 0)[0]!;
      // Those that divide by the signal keep the square root of the smallest number of float16, 2⁻¹².
      expect(signal / noise, spelling).toBeLessThanOrEqual(2 ** -12 * 1.001);
    }
  });
});

test('a distant end of the noise schedule does not make the first step infinite', () => {
  // Zero terminal SNR, as in models that were trained to draw pure black and white.
  const config = { ...stableDiffusion, prediction_type: 'v_prediction', rescale_betas_zero_snr: true };
  for (const name of names.filter((name) => configFor(name).beta_start !== undefined)) {
    const scheduler = createScheduler({ ...config, _class_name: name, timestep_spacing: 'trailing' }, undefined, 8);
    const noise = createNoise(1n);
    const start = scaled(initial, scheduler.initNoiseSigma);
    const steps = [...denoise(scheduler, start, (count) => noise.normal(count))];
    expect(steps.at(-1)!.latents.every(Number.isFinite), name).toBe(true);
  }
});
