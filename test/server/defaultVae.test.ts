import { describe, expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { describeTestModel, imageTask, startTestServer } from '../helpers/server.ts';

/** The fixtures, of which two models hold no VAE; `vae` says what is known of the one there is. */
function describeWith(vae: object) {
  return async (file: string) => {
    const found = describeTestModel(file);
    if (found.kind === 'vae') return { ...found, ...vae };
    return found.name === 'plain-sd1x' ? { ...found, lacksVae: true } : found;
  };
}

async function ask(defaultVae: string[], vae: object = {}, task: object = {}) {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime, defaultVae, describe: describeWith(vae) });
  const socket = await server.socket();
  const sent = imageTask({ model: 'plain-sd1x', ...task });
  socket.send(sent);
  const { data, errors } = await socket.take((frame) => frame.data !== undefined || frame.errors !== undefined);
  socket.send({ taskType: 'modelSearch', taskUUID: 'b4a2c4b6-6a5b-4d4c-9a3e-0d7f6b1c2e11', search: 'plain-sd1x' });
  const search = await socket.take((frame) => frame.data?.[0]?.taskType === 'modelSearch');
  const { results } = search.data![0] as unknown as { results: { reason?: string }[] };
  return { request: runtime.requests[0], drawn: data !== undefined, error: errors?.[0], reason: results[0]?.reason };
}

const soft = expect.stringMatching(/soft-vae\.safetensors$/);

describe('a model without a VAE', () => {
  test.each([
    ['named alone', ['local:soft-vae@1'], {}],
    ['by another spelling', ['SOFT-VAE'], {}],
    ['for its family', ['sd=local:soft-vae@1'], {}],
    ['for its architecture', ['sdxl=local:nothing@1', 'sd1x=local:soft-vae@1'], {}],
    ['of its architecture, though another one comes first', ['local:nothing@1', 'soft-vae'], { architecture: 'sd1x' }],
  ])('is used with the default: %s', async (_, names, vae) => {
    const { request, drawn, reason } = await ask(names, vae);
    expect(drawn).toBe(true);
    expect(request?.vae).toEqual(soft);
    expect(reason).toBe('It has no autoencoder (VAE). Tasks use local:soft-vae@1 by default.');
  });

  test.each([
    ['there is none', [], {}],
    ['it is for another architecture', ['sdxl=soft-vae'], {}],
    ['it was made for another architecture', ['soft-vae'], { architecture: 'sdxl' }],
  ])('asks for one where there is no default: %s', async (_, names, vae) => {
    const { request, error, reason } = await ask(names, vae);
    expect(request).toBeUndefined();
    expect(error).toMatchObject({ code: 'missingVae', parameter: 'vae' });
    expect(error?.allowedValues).toEqual('architecture' in vae ? [] : ['local:soft-vae@1']);
    expect(reason).toMatch(/Tasks must name one in `vae`/);
  });

  test.each([
    ['it does not exist', ['local:nothing@1'], {}, /local:nothing@1, cannot be used: it does not exist\. Name one/],
    [
      'it is broken',
      ['soft-vae'],
      { available: false, reason: 'It is cut off.' },
      /cannot be used: It is cut off\. Name/,
    ],
  ])('says what is wrong with the default: %s', async (_, names, vae, message) => {
    const { request, error } = await ask(names, vae);
    expect(request).toBeUndefined();
    expect(error).toMatchObject({
      code: 'modelUnavailable',
      parameter: 'vae',
      message: expect.stringMatching(message),
    });
  });

  test("takes the task's before the default", async () => {
    const { request } = await ask(['local:nothing@1'], {}, { vae: 'soft-vae' });
    expect(request?.vae).toEqual(soft);
  });
});

test('a model with a VAE of its own is not given the default', async () => {
  const { request } = await ask(['soft-vae'], {}, { model: 'local:tiny@1' });
  expect(request).toBeDefined();
  expect(request?.vae).toBeUndefined();
});
