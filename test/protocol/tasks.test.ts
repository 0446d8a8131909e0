import { describe, expect, it } from 'vitest';
import { TaskError } from '../../protocol/errors.ts';
import { stepRange } from '../../protocol/steps.ts';
import type { ImageInferenceTask } from '../../protocol/tasks/imageInference.ts';
import { MAX_TASKS_PER_REQUEST, parseRequest, parseTask, tasks } from '../../protocol/tasks/index.ts';

const taskUUID = 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144';
const imageUUID = '8d5bacf2-ba4d-492b-945d-feb70fafa6d5';
const minimal = { taskType: 'imageInference', taskUUID, positivePrompt: 'a red fox' };

function inference(parameters: object): ImageInferenceTask {
  const task = parseTask({ ...minimal, ...parameters });
  if (task.taskType !== 'imageInference') throw new Error(`parsed as ${task.taskType}`);
  return task;
}

/** What a client is told about a task. */
function refusal(task: unknown) {
  try {
    parseTask(task);
  } catch (error) {
    if (error instanceof TaskError) return error.toWire();
    throw error;
  }
  throw new Error('the task was taken');
}

const inferenceRefusal = (parameters: object) => refusal({ ...minimal, ...parameters });

describe('parseRequest', () => {
  it('gives the tasks of an array, and takes a bare object for one', () => {
    expect(parseRequest('[{"a":1},2]')).toEqual([{ a: 1 }, 2]);
    expect(parseRequest('{"a":1}')).toEqual([{ a: 1 }]);
    expect(parseRequest('[]')).toEqual([]);
  });

  it.each(['', 'hello', '[', '1', 'null', '"[]"'])('refuses %j as a whole', (text) => {
    expect(() => parseRequest(text)).toThrow(expect.objectContaining({ code: 'invalidRequest' }));
  });

  it('refuses more tasks than a request may hold', () => {
    const text = JSON.stringify(Array.from({ length: MAX_TASKS_PER_REQUEST + 1 }, () => ({})));
    expect(() => parseRequest(text)).toThrow(expect.objectContaining({ code: 'arrayTooLarge' }));
  });
});

describe('any task', () => {
  it('is refused with the list of task types when its type is not there', () => {
    for (const taskType of ['caption', 'removeBackground', 'videoInference', 'constructor', '']) {
      const error = refusal({ taskType, taskUUID });
      expect(error).toMatchObject({ code: 'unsupportedTaskType', taskUUID, taskType });
      expect(error.allowedValues).toEqual(Object.keys(tasks));
    }
    expect(refusal({ taskUUID })).toMatchObject({ code: 'missingTaskType', taskUUID });
    expect(refusal({ taskType: 7, taskUUID })).toMatchObject({ code: 'invalidTaskType', taskUUID });
  });

  it('needs a taskUUID and keeps it as it was written', () => {
    expect(refusal({ ...minimal, taskUUID: undefined })).toMatchObject({ code: 'missingTaskUUID' });
    expect(refusal({ ...minimal, taskUUID: 'mine' })).toMatchObject({ code: 'invalidTaskUUID', taskUUID: 'mine' });
    expect(inference({ taskUUID: taskUUID.toUpperCase() }).taskUUID).toBe(taskUUID.toUpperCase());
  });

  it('does not repeat a long taskUUID or taskType in its error', () => {
    const error = refusal({ taskType: 'x'.repeat(1000), taskUUID: 'y'.repeat(1000) });
    expect(error).not.toHaveProperty('taskUUID');
    expect(error).not.toHaveProperty('taskType');
  });

  it.each([null, 7, 'task', [], [{}], true])('is refused when it is %j', (value) => {
    expect(refusal(value)).toMatchObject({ code: 'invalidRequest' });
  });
});

describe('imageInference', () => {
  it('has the defaults of the specification', () => {
    expect(inference({})).toEqual({
      taskType: 'imageInference',
      taskUUID,
      positivePrompt: 'a red fox',
      numberResults: 1,
      lora: [],
      embeddings: [],
      controlNet: [],
      ipAdapters: [],
      referenceImages: [],
      outputType: ['URL'],
      outputFormat: 'JPG',
      outputQuality: 95,
      includeCost: false,
      includeMetadata: true,
      priority: 0,
      deliveryMethod: 'sync',
    });
  });

  it('takes null and empty arrays for absent', () => {
    const silent = {
      negativePrompt: null,
      seed: null,
      lora: [],
      lycoris: null,
      embeddings: null,
      controlNet: null,
      maskImage: null,
      maskMargin: null,
      outpaint: null,
      vae: null,
      refiner: null,
      promptWeighting: null,
      imageGuidanceScale: null,
      shift: null,
      positivePrompt2: null,
      outputType: [],
      somethingNew: null,
      anotherNew: [],
    };
    expect(inference(silent)).toEqual(inference({}));
    expect(
      inference({
        inputs: { seedImage: null, maskImage: null, mask: null, referenceImages: [], images: null, other: null },
      }),
    ).toEqual(inference({}));
  });

  it.each<[string, number, number, number]>([
    ['width', 64, 2048, 8],
    ['height', 64, 2048, 8],
    ['steps', 1, 100, 1],
    ['clipSkip', 0, 2, 1],
    ['numberResults', 1, 20, 1],
    ['outputQuality', 20, 99, 1],
    ['ttl', 60, 31_536_000, 1],
  ])('takes %s from %d to %d in steps of %d', (name, min, max, step) => {
    for (const value of [min, min + step, max]) expect(inference({ [name]: value })).toMatchObject({ [name]: value });
    for (const value of [min - step, max + step, min + step / 2, String(min), Number.NaN, true, {}, BigInt(min)]) {
      const error = inferenceRefusal({ [name]: value });
      const code = `invalid${name.charAt(0).toUpperCase()}${name.slice(1)}`;
      expect(error).toMatchObject({
        code,
        parameter: name,
        type: 'integer',
        min,
        max,
        taskUUID,
        taskType: 'imageInference',
      });
      expect(error.message).toContain(`from ${min} to ${max}`);
    }
  });

  it.each<[string, number, number]>([
    ['CFGScale', 0, 50],
    ['imageGuidanceScale', 0, 20],
    ['shift', 0.01, 100],
    ['strength', 0, 1],
  ])('takes %s from %d to %d, with fractions', (name, min, max) => {
    for (const value of [min, 0.5, max]) {
      expect(inference({ seedImage: imageUUID, [name]: value })).toMatchObject({ [name]: value });
    }
    for (const value of [min - 0.1, max + 0.1, '0.5', Number.POSITIVE_INFINITY]) {
      expect(inferenceRefusal({ [name]: value })).toMatchObject({ parameter: name, min, max });
    }
  });

  it('takes words in any case', () => {
    const task = { outputFormat: 'webp', outputType: 'datauri', deliveryMethod: 'ASYNC', previews: { format: 'png' } };
    expect(inference(task)).toMatchObject({ outputFormat: 'WEBP', outputType: ['dataURI'], deliveryMethod: 'async' });
    expect(inference({ outputType: ['URL', 'url', 'base64data'] }).outputType).toEqual(['URL', 'base64Data']);
    expect(inferenceRefusal({ outputFormat: 'GIF' })).toMatchObject({
      code: 'invalidOutputFormat',
      allowedValues: ['JPG', 'PNG', 'WEBP'],
      default: 'JPG',
    });
  });

  it('requires a prompt, and takes __BLANK__ as no guidance at all', () => {
    expect(refusal({ taskType: 'imageInference', taskUUID })).toMatchObject({
      code: 'missingPositivePrompt',
      max: 10_000,
    });
    expect(inferenceRefusal({ positivePrompt: '' })).toMatchObject({ code: 'invalidPositivePrompt' });
    expect(inferenceRefusal({ positivePrompt: 'x'.repeat(10_001) })).toMatchObject({ code: 'invalidPositivePrompt' });
    const blank = inference({ positivePrompt: '__BLANK__', negativePrompt: 'blurry', CFGScale: 7 });
    expect(blank).toMatchObject({ positivePrompt: '', isBlank: true });
    expect(blank.negativePrompt).toBeUndefined();
  });

  it('takes seeds of 64 bits, 0 included; -1 and nothing mean any', () => {
    const top = 9_223_372_036_854_775_807n;
    expect(inference({ seed: 0 }).seed).toBe(0n);
    expect(inference({ seed: top }).seed).toBe(top);
    expect(inference({ seed: 2n ** 64n - 1n }).seed).toBe(2n ** 64n - 1n);
    expect(inference({ seed: 9223372036854776000 }).seed).toBe(2n ** 63n);
    for (const seed of [-1, -1n, null, undefined]) expect(inference({ seed }).seed).toBeUndefined();
    // Exactly, so that the bound of the error is one that is taken.
    expect(inferenceRefusal({ seed: 2n ** 64n })).toMatchObject({ min: 0, max: 2n ** 64n - 1n });
    for (const seed of [-2, 1.5, '7', 2n ** 64n, 1e30, Number.NaN]) {
      expect(inferenceRefusal({ seed })).toMatchObject({ code: 'invalidSeed', parameter: 'seed', type: 'integer' });
    }
  });

  it('reads the largest seed from the text of a request', () => {
    const text = `[{"taskType":"imageInference","taskUUID":"${taskUUID}","positivePrompt":"x","seed":9223372036854775807}]`;
    expect(parseTask(parseRequest(text)[0])).toMatchObject({ seed: 9_223_372_036_854_775_807n });
  });

  it('takes reference images at the root and among the inputs, by themselves and as objects', () => {
    const [first, second] = [
      { kind: 'uuid', uuid: imageUUID },
      { kind: 'url', url: 'https://example.com/a.png' },
    ];
    const expected = (name: string) => [
      { image: first, parameter: `${name}[0]` },
      { image: second, parameter: `${name}[1]` },
    ];
    const sent = [imageUUID, { image: 'https://example.com/a.png', type: 'content' }];
    expect(inference({ referenceImages: sent }).referenceImages).toEqual(expected('referenceImages'));
    expect(inference({ inputs: { referenceImages: sent } }).referenceImages).toEqual(
      expected('inputs.referenceImages'),
    );
  });

  it.each([
    ['a word', 'referenceImages'],
    [[imageUUID, 'no image'], 'referenceImages[1]'],
    [[{ url: imageUUID }], 'referenceImages[0]'],
    [Array.from({ length: 11 }, () => imageUUID), 'referenceImages'],
  ])('refuses %j as reference images', (referenceImages, parameter) => {
    expect(inferenceRefusal({ referenceImages })).toMatchObject({ parameter });
  });

  it('finds the seed image at the root and among the inputs, and the root counts', () => {
    const expected = { seedImage: { kind: 'uuid', uuid: imageUUID } };
    expect(inference({ seedImage: imageUUID })).toMatchObject(expected);
    expect(inference({ inputs: { seedImage: imageUUID } })).toMatchObject(expected);
    expect(inference({ seedImage: imageUUID, inputs: { seedImage: 'https://example.org/a.png' } })).toMatchObject(
      expected,
    );
    expect(inference({ strength: 0.5 }).strength).toBeUndefined();
    expect(inferenceRefusal({ inputs: { seedImage: 'nope' } })).toMatchObject({
      code: 'invalidInputs',
      parameter: 'inputs.seedImage',
    });
  });

  it.each<[string, unknown]>([
    ['inputs.references', { inputs: { references: [imageUUID] } }],
    ['ipAdapter', { model: 'a:1@1' }],
    ['hiresFix', true],
    ['hiresFix', { steps: 3 }],
    ['puLID', { inputImages: [imageUUID] }],
    ['pulid', {}],
    ['acePlusPlus', {}],
    ['photoMaker', {}],
    ['instantID', {}],
    ['ultralytics', {}],
    ['layerDiffuse', true],
    ['advancedFeatures', { layerDiffuse: true }],
    ['settings', { a: 1 }],
    ['providerSettings', { bfl: {} }],
    ['resolution', '1k'],
    ['upscaleFactor', 2],
    ['watermark', true],
    ['checkNSFW', true],
    ['safety', { checkContent: true }],
    ['safety', { mode: 'fast' }],
    ['uploadEndpoint', 'https://example.org/put'],
    ['webhookURL', 'https://example.org/hook'],
  ])('refuses %s %j, because leaving it out would be a lie', (parameter, value) => {
    const task = parameter.includes('.') ? (value as object) : { [parameter]: value };
    expect(inferenceRefusal(task)).toMatchObject({ code: 'unsupportedParameter', parameter, taskUUID });
  });

  it('turns a preset of acceleration into an interval of DeepCache, unless deepCache itself is said', () => {
    const intervals = ['low', 'MEDIUM', 'high'].map((acceleration) => inference({ acceleration }).deepCache?.interval);
    expect(intervals).toEqual([2, 3, 5]);
    expect(inference({ acceleration: 'none' })).toEqual(inference({}));
    const own = (deepCache: object) => inference({ acceleration: 'high', acceleratorOptions: deepCache }).deepCache;
    expect(own({ deepCache: false })).toBeUndefined();
    expect(own({ deepCache: true, deepCacheInterval: 4 })).toMatchObject({ interval: 4 });
    expect(own({ teaCache: true })).toMatchObject({ interval: 5 });
    expect(inferenceRefusal({ acceleration: 'ultra' })).toMatchObject({
      code: 'invalidAcceleration',
      allowedValues: ['none', 'low', 'medium', 'high'],
    });
  });

  it('reads JPEG as JPG, in any case', () => {
    for (const outputFormat of ['JPEG', 'jpeg', 'jpg']) expect(inference({ outputFormat }).outputFormat).toBe('JPG');
    expect(inference({ previews: { format: 'Jpeg' } }).previews).toMatchObject({ format: 'JPG' });
    expect(inferenceRefusal({ outputFormat: 'jpegs' })).toMatchObject({ allowedValues: ['JPG', 'PNG', 'WEBP'] });
  });

  it.each<[string, unknown]>([
    ['promptWeighting', 'None'],
    ['usePromptWeighting', false],
    ['hiresFix', false],
    ['layerDiffuse', false],
    ['advancedFeatures', { layerDiffuse: false }],
    ['acceleration', 'none'],
    ['settings', {}],
    ['upscaleFactor', 1],
    ['watermark', false],
    ['checkNSFW', false],
    ['safety', { checkContent: false }],
    ['safety', { checkContent: true, mode: 'none' }],
    ['safety', {}],
    ['acceleratorOptions', { teaCache: false, deepCache: false, deepCacheBranchId: 0 }],
    ['useCache', false],
  ])('takes %s %j, which changes nothing', (parameter, value) => {
    expect(inference({ [parameter]: value })).toEqual(inference({}));
  });

  it('fills in previews, and tells false from absent', () => {
    const defaults = { every: 1, format: 'JPG', quality: 70, delivery: 'base64', decoder: 'linear' };
    expect(inference({ previews: true }).previews).toEqual(defaults);
    expect(inference({ previews: {} }).previews).toEqual(defaults);
    expect(inference({ previews: { every: 4, size: 256, delivery: 'BINARY', quality: null } }).previews).toEqual({
      ...defaults,
      every: 4,
      size: 256,
      delivery: 'binary',
    });
    expect(inference({ previews: false }).previews).toBe(false);
    expect(inference({}).previews).toBeUndefined();
    for (const previews of [
      'yes',
      3,
      { every: 0 },
      { size: 8 },
      { format: 'GIF' },
      { decoder: '' },
      { decoder: 'sharp' },
    ]) {
      expect(inferenceRefusal({ previews }).code).toBe('invalidPreviews');
    }
    expect(inference({ previews: { decoder: 'Tiny' } }).previews).toMatchObject({ decoder: 'tiny' });
    expect(inferenceRefusal({ previews: { decoder: 'sharp' } })).toMatchObject({
      parameter: 'previews.decoder',
      allowedValues: ['linear', 'tiny'],
    });
    expect(inferenceRefusal({ previews: { every: 0 } })).toMatchObject({
      parameter: 'previews.every',
      min: 1,
      max: 100,
    });
  });

  it('takes lanes of 1 to 64 characters', () => {
    expect(inference({ lane: 'x'.repeat(64) }).lane).toHaveLength(64);
    for (const lane of ['', 'x'.repeat(65), 7]) expect(inferenceRefusal({ lane }).code).toBe('invalidLane');
  });
});

describe('prompts', () => {
  it('take weights in one of two ways, and the older word for the first', () => {
    expect(inference({ promptWeighting: 'COMPEL' }).promptWeighting).toBe('compel');
    expect(inference({ promptWeighting: 'sdembeds' }).promptWeighting).toBe('sdEmbeds');
    expect(inference({ usePromptWeighting: true }).promptWeighting).toBe('compel');
    expect(inference({ usePromptWeighting: true, promptWeighting: 'sdEmbeds' }).promptWeighting).toBe('sdEmbeds');
    expect(inference({ usePromptWeighting: true, promptWeighting: 'none' }).promptWeighting).toBeUndefined();
    for (const promptWeighting of ['a1111', '', 1, true]) {
      expect(inferenceRefusal({ promptWeighting })).toMatchObject({
        code: 'invalidPromptWeighting',
        allowedValues: ['compel', 'sdEmbeds', 'none'],
      });
    }
    expect(inferenceRefusal({ usePromptWeighting: 'yes' }).code).toBe('invalidUsePromptWeighting');
  });

  it.each(['positivePrompt2', 'negativePrompt2', 'negativePrompt'] as const)('may be empty, as %s', (name) => {
    expect(inference({ [name]: '' })[name]).toBe('');
    expect(inference({ [name]: '__BLANK__' })[name]).toBe('');
    expect(inference({ [name]: 'x'.repeat(10_000) })[name]).toHaveLength(10_000);
    for (const wrong of ['x'.repeat(10_001), 7, {}]) {
      expect(inferenceRefusal({ [name]: wrong })).toMatchObject({ parameter: name, type: 'string', max: 10_000 });
    }
  });

  it('are all left aside when the first is blank', () => {
    const blank = inference({ positivePrompt: '__BLANK__', positivePrompt2: 'oil', negativePrompt2: 'blurry' });
    expect(blank).toMatchObject({ positivePrompt: '', isBlank: true });
    expect(blank.positivePrompt2).toBeUndefined();
    expect(blank.negativePrompt2).toBeUndefined();
  });
});

describe('inpainting', () => {
  const other = '11111111-1111-4111-8111-111111111111';
  const mask = { kind: 'uuid', uuid: imageUUID };

  it('finds the mask at the root and among the inputs, and the root counts', () => {
    for (const place of [
      { maskImage: imageUUID },
      { inputs: { maskImage: imageUUID } },
      { inputs: { mask: imageUUID } },
      { inputs: { maskImage: imageUUID, mask: other } },
      { maskImage: imageUUID, inputs: { maskImage: other, mask: other } },
    ]) {
      expect(inference({ seedImage: other, ...place })).toMatchObject({ maskImage: mask });
    }
    expect(inference({ inputs: { seedImage: other, mask: imageUUID } }).maskImage).toEqual(mask);
    expect(inferenceRefusal({ inputs: { mask: 'nope' } })).toMatchObject({
      code: 'invalidInputs',
      parameter: 'inputs.mask',
    });
  });

  it('takes the mask of a JS client', () => {
    const sent = {
      taskType: 'imageInference',
      model: 'runware:sdturbo@1',
      positivePrompt: 'oil painting',
      height: 512,
      width: 512,
      numberResults: 1,
      strength: 0.6,
      seedImage: imageUUID,
      maskImage: 'data:image/png;base64,AAAA',
      taskUUID,
    };
    expect(parseTask(sent)).toMatchObject({
      strength: 0.6,
      maskImage: { kind: 'base64', data: 'AAAA', declaredType: 'image/png' },
    });
  });

  it('needs the picture that is changed', () => {
    for (const wrong of [{ maskImage: imageUUID }, { inputs: { mask: imageUUID } }]) {
      const error = inferenceRefusal(wrong);
      expect(error).toMatchObject({ code: 'missingSeedImage', parameter: 'seedImage', type: 'string', taskUUID });
      expect(error.message).toContain('`maskImage` needs `seedImage`');
    }
    expect(inferenceRefusal({ maskImage: 'nope', seedImage: other }).code).toBe('invalidMaskImage');
  });

  it('takes margins from 32 to 128 around a mask', () => {
    for (const maskMargin of [32, 33, 128]) {
      expect(inference({ seedImage: other, maskImage: imageUUID, maskMargin }).maskMargin).toBe(maskMargin);
    }
    for (const maskMargin of [0, 31, 129, 32.5, '64']) {
      const error = inferenceRefusal({ seedImage: other, maskImage: imageUUID, maskMargin });
      expect(error).toMatchObject({ code: 'invalidMaskMargin', min: 32, max: 128 });
    }
    expect(inferenceRefusal({ seedImage: other, maskMargin: 64 })).toMatchObject({
      code: 'missingMaskImage',
      message: expect.stringContaining('`maskMargin` needs `maskImage`'),
    });
  });
});

describe('outpainting', () => {
  const frame = { seedImage: imageUUID, width: 512, height: 512 };

  it('adds to any side, and has nothing to keep by default', () => {
    expect(inference({ ...frame, outpaint: { left: 64, top: null, blur: 16 } })).toMatchObject({
      outpaint: { top: 0, right: 0, bottom: 0, left: 64, blur: 16 },
      strength: 1,
    });
    expect(inference({ ...frame, outpaint: { top: 64 }, strength: 0.8 }).strength).toBe(0.8);
    expect(
      inference({ ...frame, inputs: { seedImage: imageUUID }, seedImage: null, outpaint: { top: 64 } }),
    ).toMatchObject({ outpaint: { blur: 0 } });
  });

  it.each<[string, unknown]>([
    ['outpaint.top', { top: 32 }],
    ['outpaint.right', { right: -64 }],
    ['outpaint.bottom', { bottom: 1984 }],
    ['outpaint.left', { left: '64' }],
    ['outpaint.blur', { top: 64, blur: 33 }],
    ['outpaint.blur', { top: 64, blur: 1.5 }],
    ['outpaint', 64],
    ['outpaint', [{ top: 64 }]],
    ['outpaint', {}],
    ['outpaint', { top: 0, right: 0, bottom: 0, left: 0 }],
    ['outpaint', { blur: 8 }],
  ])('is refused for %s where it is %j', (parameter, outpaint) => {
    expect(inferenceRefusal({ ...frame, outpaint })).toMatchObject({ code: 'invalidOutpaint', parameter });
  });

  it('leaves 128 pixels each way to the seed image', () => {
    expect(inference({ ...frame, outpaint: { left: 192, right: 192 } }).outpaint).toMatchObject({ left: 192 });
    expect(inference({ ...frame, width: 2048, outpaint: { right: 1920 } }).outpaint).toMatchObject({ right: 1920 });
    for (const [outpaint, name] of [
      [{ left: 256, right: 192 }, '`width`'],
      [{ top: 448 }, '`height`'],
    ] as const) {
      const error = inferenceRefusal({ ...frame, outpaint });
      expect(error).toMatchObject({ code: 'invalidOutpaint', parameter: 'outpaint', type: 'object' });
      expect(error.message).toContain(`must leave 128 pixels of ${name}`);
    }
  });

  it('needs the picture and the final size, and makes its own mask', () => {
    const outpaint = { top: 64 };
    expect(inferenceRefusal({ ...frame, outpaint, seedImage: null })).toMatchObject({ code: 'missingSeedImage' });
    expect(inferenceRefusal({ ...frame, outpaint, width: null })).toMatchObject({
      code: 'missingWidth',
      parameter: 'width',
      type: 'integer',
    });
    expect(inferenceRefusal({ ...frame, outpaint, height: undefined })).toMatchObject({ code: 'missingHeight' });
    expect(inferenceRefusal({ ...frame, outpaint, maskImage: imageUUID })).toMatchObject({
      code: 'invalidMaskImage',
      message: expect.stringContaining('Leave out `maskImage`'),
    });
  });
});

describe.each(['lora', 'lycoris', 'embeddings'] as const)('%s', (name) => {
  const taken = name === 'embeddings' ? 'embeddings' : 'lora';
  const one = { model: 'a:1@1' };

  it('has a weight from -4 to 4, which is 1 where it is not said', () => {
    const sent = [one, { ...one, weight: null }, { ...one, weight: -4 }, { ...one, weight: 4, transformer: 'both' }];
    expect(inference({ [name]: sent })[taken]).toEqual(
      [1, 1, -4, 4].map((weight, index) => ({ ...one, weight, parameter: `${name}[${index}]` })),
    );
    for (const weight of [-4.1, 4.1, '1', Number.NaN, {}]) {
      expect(inferenceRefusal({ [name]: [one, { ...one, weight }] })).toMatchObject({
        code: `invalid${name.charAt(0).toUpperCase()}${name.slice(1)}`,
        parameter: `${name}[1].weight`,
        message: `\`${name}[1].weight\` must be a number from -4 to 4.`,
        min: -4,
        max: 4,
        default: 1,
      });
    }
  });

  it('names its model', () => {
    for (const model of [undefined, null]) {
      expect(inferenceRefusal({ [name]: [{ model, weight: 1 }] })).toMatchObject({
        parameter: `${name}[0].model`,
        message: expect.stringContaining('is required'),
      });
    }
    for (const model of ['', 'x'.repeat(257), 7, one]) {
      expect(inferenceRefusal({ [name]: [one, one, { model }] })).toMatchObject({
        parameter: `${name}[2].model`,
        max: 256,
      });
    }
  });

  it('is an array of at most 16 objects', () => {
    expect(inference({ [name]: Array.from({ length: 16 }, () => one) })[taken]).toHaveLength(16);
    for (const wrong of [Array.from({ length: 17 }, () => one), one, 'a:1@1', 7, true]) {
      expect(inferenceRefusal({ [name]: wrong })).toMatchObject({
        parameter: name,
        type: 'array',
        message: `\`${name}\` must be an array of at most 16 objects of model and weight.`,
      });
    }
    for (const wrong of ['a:1@1', null, [], [one], 7]) {
      expect(inferenceRefusal({ [name]: [one, wrong] })).toMatchObject({ parameter: `${name}[1]`, type: 'object' });
    }
  });
});

describe('lora and lycoris', () => {
  const many = (length: number) => Array.from({ length }, (_, index) => ({ model: `a:${index}@1` }));

  it('are one list, of at most 16, that knows where its entries were written', () => {
    const { lora } = inference({ lycoris: many(2), lora: [{ model: 'b:1@1', weight: 0.5 }] });
    expect(lora).toEqual([
      { model: 'b:1@1', weight: 0.5, parameter: 'lora[0]' },
      { model: 'a:0@1', weight: 1, parameter: 'lycoris[0]' },
      { model: 'a:1@1', weight: 1, parameter: 'lycoris[1]' },
    ]);
    expect(inference({ lora: many(8), lycoris: many(8), embeddings: many(16) }).lora).toHaveLength(16);
    expect(inferenceRefusal({ lora: many(9), lycoris: many(8) })).toMatchObject({
      code: 'invalidLycoris',
      parameter: 'lycoris',
      message: expect.stringContaining('at most 16 models together'),
    });
  });
});

describe('ipAdapters', () => {
  it('are models with a picture each, of weight 1 where none is given', () => {
    const one = { model: 'local:redux@1', guideImage: imageUUID };
    expect(inference({ ipAdapters: [one, { ...one, weight: -0.4 }] }).ipAdapters).toMatchObject([
      {
        model: 'local:redux@1',
        guideImages: [{ image: { kind: 'uuid' }, parameter: 'guideImage' }],
        weight: 1,
        parameter: 'ipAdapters[0]',
      },
      { weight: -0.4, parameter: 'ipAdapters[1]' },
    ]);
    expect(inference({}).ipAdapters).toEqual([]);
    expect(inferenceRefusal({ ipAdapters: [{ ...one, weight: 3 }] })).toMatchObject({
      code: 'invalidIpAdapters',
      parameter: 'ipAdapters[0].weight',
    });
  });

  it('take several pictures, and say how they act in the words of Runware', () => {
    const other = imageUUID.replace(/^./, '9');
    const asked = {
      model: 'local:plus@1',
      guideImages: [imageUUID, other],
      weightType: 'style_and_composition',
      weightComposition: 0.5,
      embedScaling: 'k_mean_v_penalty_c',
      combineMethod: 'norm_average',
    };
    const { guideImages, ...options } = asked;
    const [adapter] = inference({ ipAdapters: [asked] }).ipAdapters;
    expect(adapter).toMatchObject(options);
    expect(adapter!.guideImages).toEqual(
      guideImages.map((uuid, index) => ({ image: { kind: 'uuid', uuid }, parameter: `guideImages[${index}]` })),
    );
    // The older parameter, which official clients still send, beside the newer one.
    const both = inference({ ipAdapters: [{ ...asked, guideImage: other }] }).ipAdapters[0]!;
    expect(both.guideImages).toHaveLength(2);
    const refusal = (changes: object) => inferenceRefusal({ ipAdapters: [{ ...asked, ...changes }] });
    expect(refusal({ guideImages: undefined })).toMatchObject({
      code: 'invalidIpAdapters',
      parameter: 'ipAdapters[0].guideImages',
      message: 'An entry of `ipAdapters` needs `guideImages`.',
    });
    expect(refusal({ guideImages: ['nowhere'] })).toMatchObject({ parameter: 'ipAdapters[0].guideImages[0]' });
    expect(refusal({ guideImages: new Array(9).fill(imageUUID) })).toMatchObject({
      parameter: 'ipAdapters[0].guideImages',
      message: '`ipAdapters[0].guideImages` must be an array of at most 8 images.',
    });
    expect(refusal({ weightType: 'strong' })).toMatchObject({
      parameter: 'ipAdapters[0].weightType',
      allowedValues: expect.arrayContaining(['normal', 'ease_in', 'strong_style_and_composition']),
    });
    expect(refusal({ embedScaling: 'v' })).toMatchObject({ parameter: 'ipAdapters[0].embedScaling' });
    expect(refusal({ combineMethod: 'sum' })).toMatchObject({ parameter: 'ipAdapters[0].combineMethod' });
    expect(refusal({ weightComposition: 2 })).toMatchObject({ parameter: 'ipAdapters[0].weightComposition', max: 1 });
  });
});

describe('controlNet', () => {
  const one = { model: 'local:canny@1', guideImage: imageUUID };
  const refusalOf = (entry: object, parameters: object = {}) =>
    inferenceRefusal({ ...parameters, controlNet: [one, { ...one, ...entry }] });

  it('takes what the older Python client sends, nulls and preprocessor fields and all', () => {
    const sent = {
      model: 'runware:20@1',
      guideImage: '11111111-1111-4111-8111-111111111111',
      weight: 0.5,
      startStep: null,
      endStep: null,
      startStepPercentage: null,
      endStepPercentage: null,
      controlMode: null,
      lowThresholdCanny: 100,
      includeHandsAndFaceOpenPose: true,
    };
    expect(inference({ controlNet: [sent] }).controlNet).toEqual([
      {
        model: 'runware:20@1',
        guideImage: { kind: 'uuid', uuid: sent.guideImage },
        weight: 0.5,
        start: undefined,
        end: undefined,
        controlMode: 'balanced',
        parameter: 'controlNet[0]',
      },
    ]);
  });

  it('acts from one step or percentage to another', () => {
    const places = (entry: object) => {
      const [{ start, end } = {}] = inference({ steps: 20, controlNet: [{ ...one, ...entry }] }).controlNet;
      return { start, end };
    };
    expect(places({ startStep: 1, endStep: 20 })).toEqual({ start: { step: 1 }, end: { step: 20 } });
    expect(places({ startStep: 7, endStep: 7 })).toEqual({ start: { step: 7 }, end: { step: 7 } });
    expect(places({ startStepPercentage: 0, endStepPercentage: 100 })).toEqual({
      start: { percentage: 0 },
      end: { percentage: 100 },
    });
    expect(places({ startStep: 19, endStepPercentage: 1 })).toEqual({ start: { step: 19 }, end: { percentage: 1 } });
    expect(places({ endStep: 3 })).toEqual({ start: undefined, end: { step: 3 } });
  });

  it.each<[string, object]>([
    ['model', { model: null }],
    ['guideImage', { guideImage: null }],
    ['guideImage', { guideImage: 'fox.png' }],
    ['weight', { weight: 1.1 }],
    ['weight', { weight: -0.1 }],
    ['startStep', { startStep: 0 }],
    ['startStep', { startStep: 101 }],
    ['startStep', { startStep: 1.5 }],
    ['endStep', { endStep: 0 }],
    ['startStepPercentage', { startStepPercentage: 100 }],
    ['startStepPercentage', { startStepPercentage: -1 }],
    ['endStepPercentage', { endStepPercentage: 101 }],
    ['endStepPercentage', { endStepPercentage: 0 }],
    ['controlMode', { controlMode: 'both' }],
    ['startStepPercentage', { startStep: 1, startStepPercentage: 5 }],
    ['endStepPercentage', { endStep: 5, endStepPercentage: 50 }],
    ['endStep', { startStep: 8, endStep: 7 }],
    ['endStepPercentage', { startStepPercentage: 50, endStepPercentage: 50 }],
  ])('is refused for its %s where it has %j', (name, entry) => {
    const error = refusalOf(entry);
    expect(error).toMatchObject({ code: 'invalidControlNet', parameter: `controlNet[1].${name}` });
    expect(error.message).toContain(`${name}\``);
  });

  it('does not begin or end after the last step, where that is known', () => {
    expect(inference({ controlNet: [{ ...one, startStep: 30, endStep: 40 }] }).controlNet).toHaveLength(1);
    for (const name of ['startStep', 'endStep']) {
      expect(refusalOf({ [name]: 21 }, { steps: 20 })).toMatchObject({
        parameter: `controlNet[1].${name}`,
        message: `\`${name}\` must not be above \`steps\`.`,
      });
    }
  });

  it('reads its mode in any case', () => {
    const modes = ['ControlNet', 'PROMPT', 'balanced'].map((controlMode) => ({ ...one, controlMode }));
    expect(inference({ controlNet: modes }).controlNet.map(({ controlMode }) => controlMode)).toEqual([
      'controlnet',
      'prompt',
      'balanced',
    ]);
  });

  it('is an array of at most 8', () => {
    expect(inference({ controlNet: Array.from({ length: 8 }, () => one) }).controlNet).toHaveLength(8);
    expect(inferenceRefusal({ controlNet: Array.from({ length: 9 }, () => one) })).toMatchObject({
      code: 'invalidControlNet',
      parameter: 'controlNet',
      type: 'array',
    });
  });
});

describe('acceleratorOptions', () => {
  const cached = (options: object | null, parameters: object = {}) =>
    inference({ ...parameters, acceleratorOptions: options }).deepCache;

  it('asks for deep caching, every third step unless it says otherwise', () => {
    expect(cached({ deepCache: true })).toEqual({ interval: 3, start: undefined, end: undefined });
    expect(cached({ deepCache: true, deepCacheInterval: 5, cacheStartStep: 4, cacheEndStepPercentage: 90 })).toEqual({
      interval: 5,
      start: { step: 4 },
      end: { percentage: 90 },
    });
    expect(cached({ deepCache: true, deepCacheBranchId: 2 })).toEqual(cached({ deepCache: true }));
  });

  it('reads the first-block cache under both of its names, with its defaults, and from a preset', () => {
    const cached = (parameters: object) => inference(parameters).firstBlockCache;
    const defaults = { threshold: 0.1, most: 3, start: undefined, end: undefined };
    expect(cached({ acceleratorOptions: { fbCache: true } })).toEqual(defaults);
    expect(cached({ acceleratorOptions: { teaCache: true, cacheMaxConsecutiveSteps: 1 } })).toEqual({
      ...defaults,
      most: 1,
    });
    expect(cached({ acceleratorOptions: { fbCacheThreshold: 0.2 } })).toBeUndefined();
    expect(cached({ acceleration: 'high' })).toEqual({ threshold: 0.2, most: 3, isPreset: true });
    expect(cached({ acceleration: 'high', acceleratorOptions: { fbCache: false } })).toBeUndefined();
  });

  it.each([
    ['fbCacheThreshold', { fbCache: true, fbCacheThreshold: 1.5 }],
    ['cacheMaxConsecutiveSteps', { fbCache: true, cacheMaxConsecutiveSteps: 6 }],
  ])('refuses a wrong %s', (name, acceleratorOptions) => {
    expect(inferenceRefusal({ acceleratorOptions })).toMatchObject({ parameter: `acceleratorOptions.${name}` });
  });

  it('asks for nothing without deepCache, nulls and options of other families and all', () => {
    const options = {
      teaCache: true,
      teaCacheDistance: 0.5,
      fbCache: true,
      cacheMaxConsecutiveSteps: 3,
      cacheStartStep: 2,
    };
    for (const without of [null, {}, options, { deepCache: false, deepCacheInterval: 2 }, { deepCache: null }]) {
      expect(cached(without)).toBeUndefined();
    }
    const nulls = { deepCacheInterval: null, deepCacheBranchId: null, cacheStartStep: null, cacheEndStep: null };
    expect(cached({ ...options, ...nulls, deepCache: true })).toEqual(cached({ deepCache: true }));
  });

  it.each<[string, object]>([
    ['deepCache', { deepCache: 1 }],
    ['deepCacheInterval', { deepCacheInterval: 0 }],
    ['deepCacheInterval', { deepCacheInterval: 2.5 }],
    ['deepCacheInterval', { deepCacheInterval: 101 }],
    ['deepCacheBranchId', { deepCacheBranchId: -1 }],
    ['cacheStartStep', { cacheStartStep: 0 }],
    ['cacheEndStep', { cacheEndStep: '4' }],
    ['cacheStartStepPercentage', { cacheStartStepPercentage: 100 }],
    ['cacheEndStepPercentage', { cacheEndStepPercentage: 0 }],
    ['cacheStartStepPercentage', { cacheStartStep: 1, cacheStartStepPercentage: 5 }],
    ['cacheEndStepPercentage', { cacheEndStep: 5, cacheEndStepPercentage: 50 }],
    ['cacheEndStep', { cacheStartStep: 8, cacheEndStep: 7 }],
    ['cacheEndStepPercentage', { cacheStartStepPercentage: 50, cacheEndStepPercentage: 50 }],
    ['cacheStartStep', { cacheStartStep: 21 }],
    ['cacheEndStep', { cacheEndStep: 21 }],
  ])('is refused for its %s where it has %j', (name, options) => {
    const error = inferenceRefusal({ steps: 20, acceleratorOptions: { deepCache: true, ...options } });
    expect(error).toMatchObject({ code: 'invalidAcceleratorOptions', parameter: `acceleratorOptions.${name}` });
    expect(error.message).toContain(`${name}\``);
  });
});

describe('refiner', () => {
  const refined = (refiner: object, steps = 20) => inference({ steps, refiner }).refiner;

  it('takes over at a step, a percentage, or where the server thinks best', () => {
    expect(refined({ model: 'a:1@1' })).toEqual({ model: 'a:1@1', start: undefined });
    expect(refined({ model: 'a:1@1', startStep: 2, startStepPercentage: null })).toMatchObject({ start: { step: 2 } });
    expect(refined({ model: 'a:1@1', startStep: 20 })).toMatchObject({ start: { step: 20 } });
    expect(refined({ model: 'a:1@1', startStepPercentage: 99 })).toMatchObject({ start: { percentage: 99 } });
  });

  it.each<[string, unknown]>([
    ['refiner', 'a:1@1'],
    ['refiner', ['a:1@1']],
    ['refiner.model', {}],
    ['refiner.model', { model: '' }],
    ['refiner.startStep', { model: 'a:1@1', startStep: 1 }],
    ['refiner.startStep', { model: 'a:1@1', startStep: 21 }],
    ['refiner.startStepPercentage', { model: 'a:1@1', startStepPercentage: 0 }],
    ['refiner.startStepPercentage', { model: 'a:1@1', startStepPercentage: 100 }],
    ['refiner.startStepPercentage', { model: 'a:1@1', startStep: 2, startStepPercentage: 50 }],
  ])('is refused for %s where it is %j', (parameter, refiner) => {
    expect(inferenceRefusal({ steps: 20, refiner })).toMatchObject({ code: 'invalidRefiner', parameter });
  });
});

describe('vae', () => {
  it('is the name of a model', () => {
    expect(inference({ vae: 'local:vae@1' }).vae).toBe('local:vae@1');
    for (const vae of ['', 'x'.repeat(257), 7, { model: 'local:vae@1' }]) {
      expect(inferenceRefusal({ vae })).toMatchObject({ code: 'invalidVae', parameter: 'vae' });
    }
  });
});

describe('stepRange', () => {
  it('is every step where nothing is said', () => {
    expect(stepRange({}, 20)).toEqual({ first: 0, end: 20 });
    expect(stepRange({ start: { step: 1 }, end: { step: 20 } }, 20)).toEqual({ first: 0, end: 20 });
    expect(stepRange({ start: { percentage: 0 }, end: { percentage: 100 } }, 20)).toEqual({ first: 0, end: 20 });
  });

  it('has the last step in it, and never one that is not there', () => {
    expect(stepRange({ start: { step: 7 }, end: { step: 7 } }, 20)).toEqual({ first: 6, end: 7 });
    expect(stepRange({ end: { step: 40 } }, 20)).toEqual({ first: 0, end: 20 });
  });

  it('leaves no gap where one thing ends and the next begins at the same percentage', () => {
    for (let steps = 1; steps <= 100; steps++) {
      for (let percentage = 1; percentage < 100; percentage++) {
        const { end } = stepRange({ end: { percentage } }, steps);
        expect(end).toBe(Math.floor((steps * percentage) / 100));
        expect(stepRange({ start: { percentage } }, steps)).toEqual({ first: end, end: steps });
      }
    }
  });
});

describe('image references', () => {
  const reference = (image: unknown) => parseTask({ taskType: 'imageUpload', taskUUID, image });

  it.each<[string, object]>([
    [imageUUID.toUpperCase(), { kind: 'uuid', uuid: imageUUID }],
    ['https://example.org/a.png?b=c', { kind: 'url', url: 'https://example.org/a.png?b=c' }],
    ['data:image/PNG;base64,AAAA', { kind: 'base64', data: 'AAAA', declaredType: 'image/png' }],
    ['data:image/png;charset=utf-8;base64,AAAA', { kind: 'base64', data: 'AAAA', declaredType: 'image/png' }],
    ['data:;base64,AAAA', { kind: 'base64', data: 'AAAA' }],
    ['iVBORw0KGgoAAAANSUhEUg==', { kind: 'base64', data: 'iVBORw0KGgoAAAANSUhEUg==' }],
    ['iVBORw0KGgoAAAANSUhEUg', { kind: 'base64', data: 'iVBORw0KGgoAAAANSUhEUg' }],
    ['iVBORw0KGgoAAAANSUhE\r\nUg==', { kind: 'base64', data: 'iVBORw0KGgoAAAANSUhEUg==' }],
    ['HTTPS://EXAMPLE.org/a.png', { kind: 'url', url: 'HTTPS://EXAMPLE.org/a.png' }],
    // From the WHATWG's tests of data URLs.
    ['data:;base64,WA', { kind: 'base64', data: 'WA' }],
    ['data:;base64;,WA', { kind: 'base64', data: 'V0E=' }],
    ['data:; base64,WA', { kind: 'base64', data: 'WA' }],
    ['data:;   base64,WA', { kind: 'base64', data: 'WA' }],
    ['data:  ;charset=x   ;  base64,WA', { kind: 'base64', data: 'WA' }],
    ['data:;base64,W%20A', { kind: 'base64', data: 'WA' }],
    ['data:;base64,W%0CA', { kind: 'base64', data: 'WA' }],
    ['data:;BASe64,WA', { kind: 'base64', data: 'WA' }],
    ['data:,X', { kind: 'base64', data: 'WA==' }],
    ['data:text/plain,%58', { kind: 'base64', data: 'WA==' }],
    ['data:,X#X', { kind: 'base64', data: 'WA==' }],
    ['data:image/png;name="a,b";base64,WA', { kind: 'base64' }],
    ['data:image/png;base64,%57%41', { kind: 'base64', data: 'WA', declaredType: 'image/png' }],
  ])('are told apart: %s', (text, image) => {
    expect(reference(text)).toMatchObject({ image });
  });

  it.each([
    '',
    'fox.png',
    'ftp://example.org/a',
    'http://',
    'data:image/png',
    'data:image/png;base64,',
    'data:image/png;base64,A',
    'data:image/png;base64,AAA=A',
    'data:image/png;base64,AAAAA=',
    'data:image/png;base64,AA*A',
    'iVBORw0KGgoAAAANSUhE Ug==',
    'iVBORw0KGgoAAAANSUhEUg=',
    'iVBORw0KGgoAAAANSUhEU',
    'iVBORw0KGgoAAAANSUhEUg==AAAA',
    'iVBORw0KGgoAAAANSUhEU+_A',
    'iVBORw0KGgoAAAANSUhé',
    '8d5bacf2',
    7,
    {},
  ])('are refused: %j', (image) => {
    expect(refusal({ taskType: 'imageUpload', taskUUID, image })).toMatchObject({
      code: 'invalidImage',
      parameter: 'image',
      message: expect.stringMatching(/image/),
    });
  });

  it('may be large', () => {
    const data = 'A'.repeat(10_000_000);
    expect(reference(data)).toMatchObject({ image: { kind: 'base64' } });
    expect(reference(`data:image/png;base64,${data}`)).toMatchObject({ image: { data } });
  });
});

describe('the other tasks', () => {
  it('authenticate with or without a key, and never stumble over an old session', () => {
    expect(parseTask({ taskType: 'authentication', apiKey: 'k', previews: true, progress: true })).toMatchObject({
      apiKey: 'k',
      previews: { every: 1 },
      progress: true,
    });
    for (const connectionSessionUUID of [undefined, null, 'gone', 7, {}]) {
      const task = parseTask({ taskType: 'authentication', apiKey: '', connectionSessionUUID });
      expect(task).not.toHaveProperty('connectionSessionUUID', expect.anything());
    }
    expect(refusal({ taskType: 'authentication', apiKey: 7, taskUUID })).toEqual({
      code: 'invalidApiKey',
      message: expect.any(String),
      parameter: 'apiKey',
      type: 'string',
      taskType: 'authentication',
    });
  });

  it('delete only what has a UUID', () => {
    const task = { taskType: 'mediaStorage', taskUUID, media: imageUUID };
    expect(parseTask(task)).toMatchObject({ operation: 'upload' });
    expect(parseTask({ ...task, operation: 'delete' })).toMatchObject({ media: { kind: 'uuid', uuid: imageUUID } });
    expect(refusal({ ...task, operation: 'delete', media: 'https://example.org/a.png' }).code).toBe('invalidMedia');
  });

  it('cancel at least one task, by UUID', () => {
    const task = { taskType: 'taskCancel', taskUUID };
    expect(parseTask({ ...task, tasks: [imageUUID] })).toMatchObject({ tasks: [imageUUID] });
    expect(refusal({ ...task, tasks: [] }).code).toBe('missingTasks');
    expect(refusal({ ...task, tasks: ['x'] })).toMatchObject({ code: 'invalidTasks', parameter: 'tasks' });
  });

  it('search models with the limits of Runware', () => {
    expect(parseTask({ taskType: 'modelSearch', taskUUID, tags: 'fox', source: 'all' })).toMatchObject({
      tags: ['fox'],
      limit: 20,
      offset: 0,
    });
    for (const [category, asked] of [
      ['LyCORIS', 'lora'],
      ['ControlNet', 'controlnet'],
    ]) {
      expect(parseTask({ taskType: 'modelSearch', taskUUID, category })).toMatchObject({ category: asked });
    }
    expect(refusal({ taskType: 'modelSearch', taskUUID, limit: 101 })).toMatchObject({
      code: 'invalidLimit',
      max: 100,
    });
  });
});
