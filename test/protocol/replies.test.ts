import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { dataFrame, eventFrame, type ImageResult, type ServerFrame } from '../../protocol/replies.ts';
import { serverFrameSchema } from '../../protocol/replySchemas.ts';

const image: ImageResult = {
  taskType: 'imageInference',
  taskUUID: 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144',
  status: 'success',
  imageUUID: '41e92f5f-1b0b-4a66-884e-cbd763a15bee',
  imageURL: 'http://127.0.0.1:7420/images/41e92f5f-1b0b-4a66-884e-cbd763a15bee.jpg',
  seed: 9223372036854775807n,
  resultIndex: 0,
};

describe('frames of results', () => {
  it('carry one or several results of one task', () => {
    expect(dataFrame(image)).toEqual({ data: [image] });
    expect(dataFrame(image, { ...image, resultIndex: 1 }).data).toHaveLength(2);
  });

  it('refuse results of two tasks, which JS clients would give to both', () => {
    expect(() => dataFrame(image, { ...image, taskUUID: 'b851c275-a4f3-4bdd-8118-272d1d3ccb00' })).toThrow(TypeError);
  });

  it.each(['code', 'error', 'errorId'])(
    'refuse a result with the key %s, which a Python client takes for an error',
    (key) => {
      const broken: ImageResult = Object.assign({}, image, { [key]: 'x' });
      expect(() => dataFrame(broken)).toThrow(TypeError);
    },
  );
});

describe('the schema of server frames', () => {
  it('takes what the builders build', () => {
    const { taskType, taskUUID } = image;
    const frames: ServerFrame[] = [
      dataFrame(image),
      dataFrame({ taskType: 'ping', pong: true }),
      dataFrame({ ...image, resultIndex: 1 }, { taskType, taskUUID, status: 'processing', progress: 50 }),
      eventFrame({ event: 'cancelled', taskType, taskUUID, reason: 'superseded' }),
    ];
    for (const frame of frames) expect(serverFrameSchema.parse(frame)).toEqual(frame);
  });

  it.each<[string, unknown]>([
    ['an empty list of errors', { errors: [] }],
    ['an empty list of results', { data: [] }],
    ['results beside errors', { data: [image], errors: [{ code: 'inferenceError', message: 'x' }] }],
    [
      'two errors',
      {
        errors: [
          { code: 'inferenceError', message: 'x' },
          { code: 'inferenceError', message: 'x' },
        ],
      },
    ],
    ['a code that nobody knows', { errors: [{ code: 'oops', message: 'x' }] }],
    [
      'a refused authentication in the plural only',
      { errors: [{ code: 'invalidApiKey', message: 'x', taskType: 'authentication' }] },
    ],
    ['an image without imageURL', { data: [{ ...image, imageURL: undefined }] }],
    ['a preview among the results', { data: [{ taskType: 'imageInference', taskUUID: image.taskUUID, step: 3 }] }],
    ['two events', { events: [{ event: 'queued' }, { event: 'queued' }] }],
  ])('refuses %s', (_name, frame) => {
    expect(serverFrameSchema.safeParse(frame).success).toBe(false);
  });

  it('describes the types of replies', () => {
    // For the compiler: a field that only one side has is an error here.
    const typed = (frame: ServerFrame): z.input<typeof serverFrameSchema> => frame;
    expect(typed(dataFrame(image))).toBeDefined();
  });
});
