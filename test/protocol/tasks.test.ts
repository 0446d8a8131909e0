import { describe, expect, it } from 'vitest';
import { TaskError } from '../../protocol/errors.ts';
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
    for (const taskType of ['caption', 'imageUpscale', 'videoInference', 'constructor', '']) {
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
      outputType: ['URL'],
      outputFormat: 'JPG',
      outputQuality: 95,
      includeCost: false,
      deliveryMethod: 'sync',
    });
  });

  it('takes null and empty arrays for absent, and ignores unknown keys', () => {
    const silent = {
      negativePrompt: null,
      seed: null,
      lora: [],
      controlNet: null,
      outputType: [],
      somethingNew: { a: 1 },
    };
    expect(inference(silent)).toEqual(inference({}));
    expect(inference({ inputs: { seedImage: null, referenceImages: [], images: null, other: 1 } })).toEqual(
      inference({}),
    );
  });

  it.each<[string, number, number, number]>([
    ['width', 128, 2048, 64],
    ['height', 128, 2048, 64],
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
    expect(blank).toMatchObject({ positivePrompt: '', CFGScale: 1 });
    expect(blank.negativePrompt).toBeUndefined();
  });

  it('takes seeds of 64 bits, 0 included; -1 and nothing mean any', () => {
    const top = 9_223_372_036_854_775_807n;
    expect(inference({ seed: 0 }).seed).toBe(0n);
    expect(inference({ seed: top }).seed).toBe(top);
    expect(inference({ seed: 2n ** 64n - 1n }).seed).toBe(2n ** 64n - 1n);
    expect(inference({ seed: 9223372036854776000 }).seed).toBe(2n ** 63n);
    for (const seed of [-1, -1n, null, undefined]) expect(inference({ seed }).seed).toBeUndefined();
    for (const seed of [-2, 1.5, '7', 2n ** 64n, 1e30, Number.NaN]) {
      expect(inferenceRefusal({ seed })).toMatchObject({ code: 'invalidSeed', parameter: 'seed', type: 'integer' });
    }
  });

  it('reads the largest seed from the text of a request', () => {
    const text = `[{"taskType":"imageInference","taskUUID":"${taskUUID}","positivePrompt":"x","seed":9223372036854775807}]`;
    expect(parseTask(parseRequest(text)[0])).toMatchObject({ seed: 9_223_372_036_854_775_807n });
  });

  it('finds the seed image at the root and among the inputs, and the root counts', () => {
    const expected = { seedImage: { kind: 'uuid', uuid: imageUUID }, strength: 0.8 };
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
    ['maskImage', imageUUID],
    ['maskMargin', 64],
    ['outpaint', { top: 64 }],
    ['referenceImages', [imageUUID]],
    ['inputs.maskImage', { inputs: { maskImage: imageUUID } }],
    ['inputs.referenceImages', { inputs: { referenceImages: [imageUUID] } }],
    ['vae', 'runware:1@1'],
    ['lora', [{ model: 'a:1@1' }]],
    ['lycoris', [{ model: 'a:1@1' }]],
    ['embeddings', [{ model: 'a:1@1' }]],
    ['controlNet', [{ model: 'a:1@1', startStep: null }]],
    ['ipAdapters', [{ model: 'a:1@1' }]],
    ['refiner', { model: 'a:1@1' }],
    ['promptWeighting', 'compel'],
    ['usePromptWeighting', true],
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
    ['acceleration', 'high'],
    ['trueCFGScale', 2],
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
    ['acceleratorOptions', { teaCache: true }],
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
    for (const previews of ['yes', 3, { every: 0 }, { size: 8 }, { format: 'GIF' }, { decoder: '' }]) {
      expect(inferenceRefusal({ previews }).code).toBe('invalidPreviews');
    }
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

describe('image references', () => {
  const reference = (image: unknown) => parseTask({ taskType: 'imageUpload', taskUUID, image });

  it.each<[string, object]>([
    [imageUUID.toUpperCase(), { kind: 'uuid', uuid: imageUUID }],
    ['https://example.org/a.png?b=c', { kind: 'url', url: 'https://example.org/a.png?b=c' }],
    ['data:image/PNG;base64,AAAA', { kind: 'base64', data: 'AAAA', declaredType: 'image/png' }],
    ['data:image/png;charset=utf-8;base64,AAAA', { kind: 'base64', data: 'AAAA', declaredType: 'image/png' }],
    ['data:;base64,AAAA', { kind: 'base64', data: 'AAAA' }],
    ['iVBORw0KGgoAAAANSUhEUg==', { kind: 'base64', data: 'iVBORw0KGgoAAAANSUhEUg==' }],
  ])('are told apart: %s', (text, image) => {
    expect(reference(text)).toMatchObject({ image });
  });

  it.each([
    '',
    'fox.png',
    'ftp://example.org/a',
    'http://',
    'data:image/png,AAAA',
    'data:image/png;base64,',
    '8d5bacf2',
    7,
    {},
  ])('are refused: %j', (image) => {
    expect(refusal({ taskType: 'imageUpload', taskUUID, image })).toMatchObject({
      code: 'invalidImage',
      parameter: 'image',
      message: expect.stringContaining('data URI'),
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
    expect(refusal({ taskType: 'modelSearch', taskUUID, limit: 101 })).toMatchObject({
      code: 'invalidLimit',
      max: 100,
    });
  });
});
