import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { imageTask, type TestServer } from '../helpers/server.ts';
import { attackTable, serverTarget, type Target } from './table.ts';

const quick = () => serverTarget({ runtime: createFakeRuntime({ stepMs: 1 }) });

/** How each of some tasks ended, in their order. */
async function endsOf(socket: Awaited<ReturnType<TestServer['socket']>>, uuids: readonly string[]): Promise<string[]> {
  const ends = new Map<string, string>();
  while (ends.size < uuids.length) {
    const { data, errors, events } = await socket.take();
    const item = data?.[0];
    const event = events?.[0];
    if (item?.imageUUID !== undefined) ends.set(item.taskUUID, 'drawn');
    if (errors?.[0] !== undefined) ends.set(errors[0].taskUUID!, errors[0].code);
    if (event?.event === 'cancelled') ends.set(event.taskUUID, event.reason);
  }
  return uuids.map((uuid) => ends.get(uuid)!);
}

attackTable('bursts of one lane', quick, [
  {
    attack: 'sends 300 tasks of a lane at once: the newest is drawn, and none is refused',
    expected: { last: 'drawn', others: ['superseded'] },
    async run({ server }) {
      const socket = await server.socket();
      const tasks = Array.from({ length: 300 }, () => imageTask({ lane: 'a' }));
      for (let from = 0; from < 300; from += 100) socket.send(...tasks.slice(from, from + 100));
      const ends = await endsOf(
        socket,
        tasks.map(({ taskUUID }) => taskUUID),
      );
      return { last: ends.at(-1), others: [...new Set(ends.slice(0, -1))] };
    },
  },
  {
    attack: 'ends a burst with a task that is refused: the one before it is drawn',
    expected: ['superseded', 'drawn', 'modelNotFound'],
    async run({ server }) {
      const socket = await server.socket();
      const tasks = [imageTask({ lane: 'a' }), imageTask({ lane: 'a' }), imageTask({ lane: 'a', model: 'no:such@1' })];
      socket.send(...tasks);
      return await endsOf(
        socket,
        tasks.map(({ taskUUID }) => taskUUID),
      );
    },
  },
  {
    attack: 'uses the lane of another session',
    expected: [['drawn'], ['drawn']],
    async run({ server }) {
      const sockets = [await server.socket(), await server.socket()];
      return await Promise.all(
        sockets.map(async (socket) => {
          const task = imageTask({ lane: 'a' });
          socket.send(task);
          return await endsOf(socket, [task.taskUUID]);
        }),
      );
    },
  },
]);

/** Frames about an asynchronous task of three results until all of them are there, without having asked. */
function framesUnasked(headers: Record<string, string>, path: string, authenticate: Record<string, unknown> = {}) {
  return async ({ server }: Target) => {
    const socket = await server.socket({ headers, path, authenticate });
    const task = imageTask({ deliveryMethod: 'async', numberResults: 3 });
    socket.send(task);
    const bystander = await server.socket();
    for (;;) {
      bystander.send({ taskType: 'getResponse', taskUUID: task.taskUUID });
      const { data } = await bystander.take();
      if (data?.length === 3 && data.every(({ status }) => status === 'success')) break;
    }
    await socket.ask({ taskType: 'modelSearch' }).catch(() => {});
    return socket.frames.flatMap(({ data = [] }) => data.map(({ status }) => status)).sort();
  };
}

const acknowledged = ['processing'];
const pushed = ['processing', 'success', 'success', 'success'];

attackTable('results that were not asked for', quick, [
  { attack: 'is any client', expected: acknowledged, run: framesUnasked({}, '/v1') },
  { attack: 'is the JavaScript SDK', expected: acknowledged, run: framesUnasked({ 'x-sdk-name': 'js' }, '/v1?sdk=js') },
  { attack: 'is the older Python SDK', expected: pushed, run: framesUnasked({ 'x-sdk-name': 'python' }, '/v1') },
  { attack: 'asks for pushes', expected: pushed, run: framesUnasked({}, '/v1', { push: true }) },
  {
    attack: 'is the older Python SDK and wants no pushes',
    expected: acknowledged,
    run: framesUnasked({ 'x-sdk-name': 'python' }, '/v1', { push: false }),
  },
  {
    attack: 'polls an unfinished batch over HTTP: it is told no result before all are there',
    expected: [1, 3],
    async run({ server }) {
      const task = imageTask({ deliveryMethod: 'async', numberResults: 3, steps: 20 });
      await server.post([task]);
      const seen = new Set<number>();
      for (;;) {
        const { body } = await server.post([{ taskType: 'getResponse', taskUUID: task.taskUUID }]);
        seen.add(body.data!.length);
        if (body.data!.every(({ status }) => status === 'success')) return [...seen];
      }
    },
  },
]);
