import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createLog } from '../../server/log.ts';
import { imageTask, startTestServer, type TestSocket } from '../helpers/server.ts';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

/** The words that no log may repeat. */
const secret = 'the grandmother in the red kitchen';

/** What a client sees of one frame: the code and the parameter of an error, or `result`, `ack` or `answer`. */
async function seen(socket: TestSocket): Promise<string> {
  const { data, errors } = await socket.take((frame) => frame.data !== undefined || frame.errors !== undefined);
  const [error] = errors ?? [];
  if (error !== undefined) return [error.code, error.parameter].filter((word) => word !== undefined).join(' ');
  const [item] = data ?? [];
  if (item?.imageUUID !== undefined) return 'result';
  return item?.status === 'processing' ? 'ack' : 'answer';
}

/** Sends a frame as it is, and tells the first answer. */
function sends(attack: string, expected: unknown, text: string | (() => string)): Attack<Target> {
  return {
    attack,
    expected,
    async run({ server }) {
      const socket = await server.socket();
      socket.webSocket.send(typeof text === 'string' ? text : text());
      const answer = await seen(socket);
      socket.terminate();
      return answer;
    },
  };
}

/** Sends an image task with these members behind its own, as text, so that any JSON can be said. */
function draws(attack: string, expected: unknown, members: string): Attack<Target> {
  return sends(attack, expected, () => {
    const task = JSON.stringify(imageTask({ positivePrompt: secret, steps: 1 }));
    return `[${task.slice(0, -1)}${members === '' ? '' : `,${members}`}}]`;
  });
}

const uuid = '2f1e3c5a-9b7d-4c1e-8a63-5f0d2b4c6e81';
const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

attackTable('values of the wrong type', () => serverTarget(), [
  draws('says the width as a text', 'invalidWidth width', '"width":"128"'),
  draws('says the height as an array', 'invalidHeight height', '"height":[128]'),
  draws('says steps as an object', 'invalidSteps steps', '"steps":{"valueOf":4}'),
  draws('says steps as true', 'invalidSteps steps', '"steps":true'),
  draws('says the prompt as an array of texts', 'invalidPositivePrompt positivePrompt', '"positivePrompt":["a","b"]'),
  draws('says the model as a number', 'invalidModel model', '"model":7'),
  draws('says the scheduler as an object', 'invalidScheduler scheduler', '"scheduler":{"name":"Euler"}'),
  draws('says lora as an object', 'invalidLora lora', '"lora":{"model":"a:1@1"}'),
  draws('says an entry of lora as a text', 'invalidLora lora[0]', '"lora":["a:1@1"]'),
  draws('says a weight as a text', 'invalidLora lora[0].weight', '"lora":[{"model":"a:1@1","weight":"1"}]'),
  draws('says inputs as a text', 'invalidInputs inputs', '"inputs":"seedImage"'),
  draws('says the seed image as an object', 'invalidSeedImage seedImage', `"seedImage":{"uuid":"${uuid}"}`),
  draws('says outpaint as a number', 'invalidOutpaint outpaint', '"outpaint":64'),
  draws('says the previews as a text', 'invalidPreviews previews', '"previews":"yes"'),
  draws('says progress as a number', 'invalidProgress progress', '"progress":1'),
  draws('says includeCost as a text', 'invalidIncludeCost includeCost', '"includeCost":"true"'),
  draws('says the format as a list', 'invalidOutputFormat outputFormat', '"outputFormat":["PNG"]'),
  draws('says the kind of delivery as null, which is nothing', 'result', '"deliveryMethod":null'),
  draws('says acceleration as a number', 'invalidAcceleration acceleration', '"acceleration":3'),
  draws('says the checker as a text', 'unsupportedParameter checkNSFW', '"checkNSFW":"false"'),
]);

attackTable('numbers that are not what they seem', () => serverTarget(), [
  draws('says 1e400 steps, which is infinity', 'invalidSteps steps', '"steps":1e400'),
  draws('says NaN, which is not JSON', 'invalidRequest', '"steps":NaN'),
  draws('says Infinity, which is not JSON', 'invalidRequest', '"CFGScale":Infinity'),
  draws('says a guidance of 1e400', 'invalidCFGScale CFGScale', '"CFGScale":1e400'),
  draws('says a guidance of minus zero, which is zero', 'result', '"CFGScale":-0'),
  draws('says a guidance of 5e-324', 'result', '"CFGScale":5e-324'),
  draws('says 4.0000000000000001 steps, which are 4', 'result', '"steps":4.0000000000000001'),
  draws('says 4.5 steps', 'invalidSteps steps', '"steps":4.5'),
  draws('says a seed of minus zero, which is zero', 'result', '"seed":-0'),
  draws('says a seed of minus one, which is any', 'result', '"seed":-1'),
  draws('says a seed of minus two', 'invalidSeed seed', '"seed":-2'),
  draws('says the largest seed', 'result', '"seed":18446744073709551615'),
  draws('says a seed of 2^64', 'invalidSeed seed', '"seed":18446744073709551616'),
  draws('says a seed of 400 digits', 'invalidSeed seed', `"seed":${'9'.repeat(400)}`),
  draws('says a seed of a million digits', 'invalidSeed seed', `"seed":${'9'.repeat(1_000_000)}`),
  draws('says a seed of 1e19, which is one', 'result', '"seed":1e19'),
  draws('says a seed of 1e20', 'invalidSeed seed', '"seed":1e20'),
  draws('asks for no results', 'invalidNumberResults numberResults', '"numberResults":0'),
  draws('asks for 21 results', 'invalidNumberResults numberResults', '"numberResults":21'),
  draws('asks for 2^53 results', 'invalidNumberResults numberResults', '"numberResults":9007199254740993'),
  draws('says a priority of 10', 'invalidPriority priority', '"priority":10'),
  draws('says a priority below 0', 'invalidPriority priority', '"priority":-1'),
  draws('says a deadline of 0', 'invalidDeadline deadline', '"deadline":0'),
  draws('says a ttl of a second', 'invalidTtl ttl', '"ttl":1'),
  draws('says a width between two sizes', 'invalidWidth width', '"width":129'),
  draws(
    'says an interval of 0',
    'invalidAcceleratorOptions acceleratorOptions.deepCacheInterval',
    '"acceleratorOptions":{"deepCache":true,"deepCacheInterval":0}',
  ),
]);

attackTable('names and texts with tricks', () => serverTarget(), [
  draws('says a key twice: the last one counts', 'invalidSteps steps', '"steps":4,"steps":0'),
  draws('says __proto__ with a width', 'result', '"__proto__":{"width":1,"polluted":true}'),
  draws('says constructor with a prototype', 'result', '"constructor":{"prototype":{"polluted":true}}'),
  draws('says toString and hasOwnProperty', 'result', '"toString":1,"hasOwnProperty":1'),
  draws('says __proto__ inside an object', 'result', '"previews":{"__proto__":{"every":0}}'),
  draws('nests an unknown key 5,000 levels deep', 'payloadTooLarge', `"unknown":${deep(5_000)}`),
  draws('nests an unknown key 10 levels deep', 'result', `"unknown":${deep(10)}`),
  draws('nests a known key 10 levels deep', 'invalidLora lora[0].model', `"lora":[${deep(10)}]`),
  draws('says 25,000 unknown keys', 'payloadTooLarge', Array.from({ length: 25_000 }, (_, i) => `"x${i}":${i}`).join()),
  draws('says 15,000 unknown keys', 'result', Array.from({ length: 15_000 }, (_, i) => `"x${i}":${i}`).join()),
  draws('says a lone surrogate in the prompt', 'result', '"positivePrompt":"a \\ud800 fox"'),
  draws('says NUL in the prompt', 'result', '"positivePrompt":"a \\u0000 fox"'),
  draws('turns the prompt from right to left', 'result', '"positivePrompt":"\\u202e xof a"'),
  draws('stacks a thousand accents on a letter', 'result', `"positivePrompt":"a${'\\u0301'.repeat(1_000)}"`),
  draws('says an empty prompt', 'invalidPositivePrompt positivePrompt', '"positivePrompt":""'),
  draws('says a prompt of 10,000 characters', 'result', `"positivePrompt":"${'x'.repeat(10_000)}"`),
  draws('says a prompt of 10,001', 'invalidPositivePrompt positivePrompt', `"positivePrompt":"${'x'.repeat(10_001)}"`),
  draws('says a lane of 65 characters', 'invalidLane lane', `"lane":"${'l'.repeat(65)}"`),
  draws('says an empty lane', 'invalidLane lane', '"lane":""'),
  draws('says a lane named __proto__', 'result', '"lane":"__proto__"'),
  draws('says a model named __proto__', 'modelNotFound model', '"model":"__proto__"'),
  draws('says a model that climbs out of the folder', 'modelNotFound model', '"model":"../../etc/passwd"'),
  draws('says a scheduler named constructor', 'invalidScheduler scheduler', '"scheduler":"constructor"'),
  draws('says a scheduler of nothing but signs', 'invalidScheduler scheduler', '"scheduler":"___---"'),
  draws('says an outputType that no list has', 'invalidOutputType outputType', '"outputType":["URL","toString"]'),
  draws(
    'says the same outputType a thousand times',
    'invalidOutputType outputType',
    `"outputType":[${'"URL",'.repeat(999)}"URL"]`,
  ),
]);

attackTable('tasks that are no tasks', () => serverTarget(), [
  sends('sends no JSON', 'invalidRequest', 'hello'),
  sends('sends half a JSON', 'invalidRequest', '[{"taskType":'),
  sends('sends a number', 'invalidRequest', '7'),
  sends('sends an array of arrays', 'invalidRequest', '[[]]'),
  sends('sends null as a task', 'invalidRequest', '[null]'),
  sends('sends a task without a type', 'missingTaskType taskType', `[{"taskUUID":"${uuid}"}]`),
  sends(
    'sends a type that every object has',
    'unsupportedTaskType taskType',
    `[{"taskType":"constructor","taskUUID":"${uuid}"}]`,
  ),
  sends(
    'sends a type of another case',
    'unsupportedTaskType taskType',
    `[{"taskType":"ImageInference","taskUUID":"${uuid}"}]`,
  ),
  sends('asks to enlarge nothing', 'missingInputImage inputImage', `[{"taskType":"upscale","taskUUID":"${uuid}"}]`),
  sends(
    'asks to enlarge by a million',
    'invalidUpscaleFactor upscaleFactor',
    `[{"taskType":"upscale","taskUUID":"${uuid}","inputImage":"${uuid}","upscaleFactor":1000000}]`,
  ),
  sends(
    'asks to enlarge an image that is not there',
    'mediaNotFound inputImage',
    `[{"taskType":"imageUpscale","taskUUID":"${randomUUID()}","inputImage":"${uuid}"}]`,
  ),
  sends('asks for a video', 'unsupportedTaskType taskType', `[{"taskType":"videoInference","taskUUID":"${uuid}"}]`),
  sends(
    'sends a task without UUID',
    'missingTaskUUID taskUUID',
    '[{"taskType":"imageInference","positivePrompt":"x"}]',
  ),
  sends(
    'sends a UUID with a full-width digit',
    'invalidTaskUUID taskUUID',
    `[{"taskType":"imageInference","positivePrompt":"x","taskUUID":"${uuid.replace('2', '２')}"}]`,
  ),
  sends(
    'sends a UUID in braces',
    'invalidTaskUUID taskUUID',
    `[{"taskType":"imageInference","positivePrompt":"x","taskUUID":"{${uuid}}"}]`,
  ),
  sends(
    'sends a UUID with a line feed behind it',
    'invalidTaskUUID taskUUID',
    `[{"taskType":"imageInference","positivePrompt":"x","taskUUID":"${uuid}\\n"}]`,
  ),
  sends(
    'asks for the response of no task',
    'taskNotFound taskUUID',
    `[{"taskType":"getResponse","taskUUID":"${uuid}"}]`,
  ),
  sends(
    'asks for the details of no task',
    'taskNotFound taskUUID',
    `[{"taskType":"getTaskDetails","taskUUID":"${uuid}"}]`,
  ),
  sends('cancels nothing', 'missingTasks tasks', `[{"taskType":"taskCancel","taskUUID":"${uuid}","tasks":[]}]`),
  sends(
    'cancels 1,001 tasks',
    'invalidTasks tasks',
    `[{"taskType":"taskCancel","taskUUID":"${uuid}","tasks":[${Array.from({ length: 1_001 }, () => `"${uuid}"`).join()}]}]`,
  ),
  sends(
    'deletes an image by its URL',
    'invalidMedia media',
    `[{"taskType":"mediaStorage","operation":"delete","taskUUID":"${uuid}","media":"http://example.org/a.png"}]`,
  ),
  sends(
    'uploads and wants to be called back',
    'unsupportedParameter webhookURL',
    `[{"taskType":"imageUpload","taskUUID":"${uuid}","image":"${uuid}","webhookURL":"http://169.254.169.254/"}]`,
  ),
  sends(
    'asks for the account of another key',
    'answer',
    `[{"taskType":"accountManagement","operation":"getDetails","taskUUID":"${uuid}","apiKeys":["theirs"]}]`,
  ),
  sends(
    'asks for ten years of usage',
    'invalidEndDate endDate',
    `[{"taskType":"accountManagement","operation":"getDetails","taskUUID":"${uuid}","startDate":"2016-01-01","endDate":"2026-01-01"}]`,
  ),
  sends(
    'searches with a list of objects as tags',
    'invalidTags tags',
    `[{"taskType":"modelSearch","taskUUID":"${uuid}","tags":[{}]}]`,
  ),
  sends(
    'searches with an offset of 1e300',
    'invalidOffset offset',
    `[{"taskType":"modelSearch","taskUUID":"${uuid}","offset":1e300}]`,
  ),
  sends('sends 101 tasks in one frame', 'arrayTooLarge', `[${'{},'.repeat(100)}{}]`),
  {
    attack: 'sends one task twice in a frame: it is drawn once and answered once',
    expected: ['result', 1],
    async run({ server }) {
      const socket = await server.socket();
      const task = imageTask({ steps: 1 });
      socket.send(task, task);
      const first = await seen(socket);
      socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
      const { data } = await socket.take((frame) => frame.data !== undefined);
      socket.terminate();
      return [first, new Set(data?.map(({ imageUUID }) => imageUUID)).size];
    },
  },
  {
    attack: 'sends two different tasks of one UUID in a frame',
    expected: ['conflictTaskUUID taskUUID', 'result'],
    async run({ server }) {
      const socket = await server.socket();
      const task = imageTask({ steps: 1 });
      socket.send(task, { ...task, positivePrompt: 'another' });
      const answers = [await seen(socket), await seen(socket)].sort();
      socket.terminate();
      return answers;
    },
  },
  {
    attack: 'sends one UUID in two cases: they are one task',
    expected: 'conflictTaskUUID taskUUID',
    async run({ server }) {
      const socket = await server.socket();
      const task = imageTask({ steps: 1 });
      socket.send(task);
      await seen(socket);
      socket.send({ ...task, taskUUID: task.taskUUID.toUpperCase(), steps: 2 });
      const answer = await seen(socket);
      socket.terminate();
      return answer;
    },
  },
  {
    attack: 'cancels a task before it is sent, and then sends it: it is drawn',
    expected: ['answer', 'result'],
    async run({ server }) {
      const socket = await server.socket();
      const task = imageTask({ steps: 1 });
      socket.send({ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [task.taskUUID] });
      const first = await seen(socket);
      socket.send(task);
      const second = await seen(socket);
      socket.terminate();
      return [first, second];
    },
  },
  {
    attack: 'cancels a task in the frame that sends it: it is not drawn, and no error is sent',
    expected: [true, 'taskCancelled'],
    async run({ server }) {
      const socket = await server.socket();
      const task = imageTask({ steps: 50 });
      const cancel = { taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [task.taskUUID] };
      socket.send(task, cancel);
      const { data } = await socket.take((frame) => frame.data !== undefined || frame.errors !== undefined);
      socket.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
      const { errors } = await socket.take((frame) => frame.errors !== undefined);
      socket.terminate();
      return [data?.[0]?.cancelled.includes(task.taskUUID), errors?.[0]?.code];
    },
  },
  {
    attack: 'sends what it was answered: the image, its URL, its seed, its model and its scheduler',
    expected: ['result', 'result', 'result'],
    async run({ server }) {
      const socket = await server.socket();
      const item = await socket.ask(imageTask({ steps: 1 }));
      const search = await socket.ask({ taskType: 'modelSearch', taskUUID: randomUUID(), category: 'checkpoint' });
      const model = search.results.find(({ available }: { available: boolean }) => available);
      const answers: string[] = [];
      for (const more of [
        { seedImage: item.imageUUID, seed: item.seed },
        { seedImage: item.imageURL, scheduler: model.schedulers.at(-1) },
        { model: model.air, scheduler: model.defaultScheduler, width: model.defaultWidth, height: model.defaultHeight },
      ]) {
        socket.send(imageTask({ steps: 2, ...more }));
        answers.push(await seen(socket));
      }
      socket.terminate();
      return answers;
    },
  },
]);

test('no word of a prompt is in the log, whatever is wrong with the task', async () => {
  const written: string[] = [];
  const log = createLog('trace');
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
    log[level] = ((...args: unknown[]) =>
      written.push(
        JSON.stringify(args, (_, value) =>
          value instanceof Error ? `${value.stack} ${JSON.stringify(value)}` : value,
        ),
      )) as never;
  }
  await using server = await startTestServer({ log });
  const socket = await server.socket();
  for (const more of [
    {},
    { steps: 0 },
    { negativePrompt: 7, positivePromtp: secret },
    { [secret]: 1 },
    { model: 'local:absent@1' },
    { lora: [{ model: 'local:absent@1' }] },
    { seedImage: randomUUID() },
    { scheduler: 'nothing' },
    { lane: secret.slice(0, 60) },
  ]) {
    socket.send(imageTask({ positivePrompt: secret, steps: 1, ...more }));
    await seen(socket);
  }
  await server.post([{ ...imageTask({ positivePrompt: secret }), width: 1 }]);
  await server.post(`{"positivePrompt":"${secret}`);
  expect(written.length).toBeGreaterThan(5);
  expect(written.filter((line) => line.includes(secret))).toEqual([]);
});
