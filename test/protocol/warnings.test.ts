import { describe, expect, it } from 'vitest';
import { parseRequest, parseTask } from '../../protocol/tasks/index.ts';
import { MAX_WARNINGS } from '../../protocol/warnings.ts';

const minimal = {
  taskType: 'imageInference',
  taskUUID: 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144',
  positivePrompt: 'a red fox',
};
const warningsAbout = (parameters: object) => parseTask({ ...minimal, ...parameters }).warnings ?? [];
const told = (parameters: object) => warningsAbout(parameters).map(({ code, parameter }) => [code, parameter]);

describe('warnings', () => {
  it('are absent where all is understood', () => {
    expect(parseTask({ ...minimal, steps: 3, previews: true, progress: true })).not.toHaveProperty('warnings');
  });

  it.each([
    ['stepz', 'steps'],
    ['Steps', 'steps'],
    ['setps', 'steps'],
    ['cfgscale', 'CFGScale'],
    ['negative_prompt', 'negativePrompt'],
    ['numberResult', 'numberResults'],
  ])('ask whether %s means %s', (key, meant) => {
    const [warning, ...others] = warningsAbout({ [key]: 3 });
    expect(others).toEqual([]);
    expect(warning).toEqual({
      code: 'unknownParameter',
      message: `This server does not know \`${key}\` and ignored it. Did you mean \`${meant}\`?`,
      parameter: key,
    });
  });

  it('do not guess where nothing is near', () => {
    expect(warningsAbout({ hamburger: 1 })[0]?.message).toBe('This server does not know `hamburger` and ignored it.');
  });

  it.each<[string, object]>([
    ['inputs.seedimages', { inputs: { seedimages: [1] } }],
    ['previews.evry', { previews: { evry: 2 } }],
    ['acceleratorOptions.deepcache', { acceleratorOptions: { deepcache: true } }],
    ['lora[1].wieght', { lora: [{ model: 'a:1@1' }, { model: 'b:1@1', wieght: 2 }] }],
    ['refiner.start', { refiner: { model: 'a:1@1', start: 3 } }],
    ['__proto__', JSON.parse('{"__proto__": {"polluted": 1}}')],
    ['constructor', { constructor: 1 }],
  ])('say where an unknown key is: %s', (parameter, task) => {
    // A spread would lose a key of that name.
    const value = Object.fromEntries([...Object.entries(minimal), ...Object.entries(task)]);
    expect(parseTask(value).warnings).toMatchObject([{ code: 'unknownParameter', parameter }]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each<[string, object]>([
    ['useCache', { useCache: true }],
    ['includePayload', { includePayload: true }],
    ['includeGenerationTime', { includeGenerationTime: true }],
    ['acceleratorOptions.teaCacheDistance', { acceleratorOptions: { teaCacheDistance: 0.2 } }],
    ['acceleratorOptions.dbCache', { acceleratorOptions: { dbCache: true } }],
    ['acceleratorOptions.deepCacheBranchId', { acceleratorOptions: { deepCacheBranchId: 2 } }],
    ['lora[0].transformer', { lora: [{ model: 'a:1@1', transformer: 'both' }] }],
    [
      'controlNet[0].preprocessor',
      { controlNet: [{ model: 'a:1@1', guideImage: minimal.taskUUID, preprocessor: 'canny' }] },
    ],
  ])('tell of a known parameter that makes no difference: %s', (parameter, task) => {
    expect(told(task)).toEqual([['ignoredParameter', parameter]]);
    expect(warningsAbout(task)[0]?.message).toMatch(/^`.+` has no effect: .+\.$/);
  });

  it('say nothing about values that ask for nothing, nor about what Python clients leave as null', () => {
    const silent = { stepz: null, useCache: false, acceleratorOptions: { teaCache: false, dbCache: null }, other: [] };
    expect(told(silent)).toEqual([]);
    expect(told({ checkNSFW: false, acceleration: 'none', includeCost: true, usePromptWeighting: false })).toEqual([]);
  });

  it('are few and short, however much is said in vain', () => {
    const keys = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${'x'.repeat(10_000)}${i}`, i]));
    const warnings = warningsAbout(keys);
    expect(warnings).toHaveLength(MAX_WARNINGS);
    expect(JSON.stringify(warnings).length).toBeLessThan(5000);
  });

  it('do not repeat values, which are prompts and images', () => {
    expect(JSON.stringify(warningsAbout({ positivePromt: 'my secret', imagee: 'iVBOR' }))).not.toMatch(/secret|iVBOR/);
  });

  it('belong to other tasks too, but not to pings', () => {
    const { taskUUID } = minimal;
    const media = '2f1e3c5a-9b7d-4c1e-8a63-5f0d2b4c6e81';
    for (const [task, parameter] of [
      [{ taskType: 'getResponse', taskUUID, wait: true }, 'wait'],
      [{ taskType: 'taskCancel', taskUUID, tasks: [media], force: true }, 'force'],
      [{ taskType: 'imageUpload', taskUUID, image: media, deliveryMethod: 'async' }, 'deliveryMethod'],
      [{ taskType: 'mediaStorage', taskUUID, media, name: 'x' }, 'name'],
      [{ taskType: 'modelSearch', taskUUID, sort: 'name' }, 'sort'],
      [{ taskType: 'authentication', preview: true }, 'preview'],
    ] as const) {
      expect(parseTask(task).warnings, task.taskType).toMatchObject([{ parameter }]);
    }
    expect(parseTask({ taskType: 'ping', ping: true, sent: 1 })).toEqual({ taskType: 'ping' });
  });

  it('come with the frames that official clients are recorded to send only where they should', () => {
    const recorded = [
      '[{"taskType":"imageInference","model":"runware:sdturbo@1","positivePrompt":"a red fox","negativePrompt":"blurry","height":512,"width":512,"numberResults":2,"outputType":"URL","outputFormat":"PNG","CFGScale":1,"steps":4,"seed":7,"scheduler":"Euler","includeCost":true,"taskUUID":"cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144"}]',
      '[{"deliveryMethod":"async","taskType":"imageInference","model":"runware:sdturbo@1","positivePrompt":"a red fox","width":512,"height":512,"steps":4,"numberResults":2,"taskUUID":"2892b74f-d303-444f-8d02-883106dcef84"}]',
      '[{"taskType":"imageInference","taskUUID":"c1375076-4f97-4fc1-9f90-0447e103a9d2","model":"x:1@1","deliveryMethod":"sync","positivePrompt":"a","controlNet":[{"model":"runware:20@1","guideImage":"11111111-1111-4111-8111-111111111111","weight":0.5,"startStep":null,"endStep":null,"startStepPercentage":null,"endStepPercentage":null,"controlMode":null}]}]',
      '[{"taskType":"imageUpload","taskUUID":"d7eedf69-12d2-4e79-9104-6b5d6b3112a3","image":"data:image/png;base64,iVBORw0KGgo="}]',
      '[{"operation":"upload","media":"http://127.0.0.1/x.png","taskType":"mediaStorage","taskUUID":"9c396df6-1641-4739-8657-537de9885083"}]',
      '[{"taskUUID":"fd1e1230-0000-4000-8000-000000000000","taskType":"modelSearch","search":"turbo","limit":20,"offset":0}]',
      '[{"taskUUID":"fd1e1230-0000-4000-8000-000000000000","taskType":"getResponse"}]',
    ];
    for (const text of recorded) expect(parseTask(parseRequest(text)[0]).warnings, text).toBeUndefined();
  });
});
