import { expect, test } from 'vitest';
import { imageTask, startTestServer } from '../helpers/server.ts';

test('makes an image over a socket that can be fetched by its URL', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const item = await socket.ask(imageTask({ seed: 7, outputFormat: 'PNG' }));
  expect(item).toMatchObject({ taskType: 'imageInference', status: 'success', seed: 7, resultIndex: 0 });
  const response = await fetch(item['imageURL']);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('image/png');
  expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(100);
});
