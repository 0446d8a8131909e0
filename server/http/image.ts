import { TaskError } from '../../protocol/errors.ts';
import { mimeType } from '../../protocol/replies.ts';
import { extensions } from '../images/encode.ts';
import { sendFile } from './reply.ts';
import type { Exchange } from './router.ts';

/** Any page may load an image if it knows the UUID: clients share the URL. */
export async function serveImage({ params, request, response, context }: Exchange): Promise<void> {
  response.setHeader('access-control-allow-origin', '*');
  const [, imageUUID = '', extension] = /^([0-9a-f-]{36})\.([a-z]+)$/i.exec(params['*'] ?? '') ?? [];
  const image = await context.store.find(imageUUID);
  if (image === undefined || extensions[image.format] !== extension?.toLowerCase())
    throw new TaskError('mediaNotFound');
  const maxAge =
    image.expiresAt === undefined
      ? 31_536_000
      : Math.max(0, Math.floor((image.expiresAt - context.clock.now()) / 1000));
  const etag = `"${image.imageUUID}"`;
  response.setHeader('etag', etag);
  response.setHeader('cache-control', `public, max-age=${maxAge}, immutable`);
  response.setHeader('cross-origin-resource-policy', 'cross-origin');
  // Harmless even if a browser took an upload for a document.
  response.setHeader('content-security-policy', "default-src 'none'; sandbox");
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-type': mimeType(image.format), 'content-length': image.bytes });
  if (request.method === 'HEAD') response.end();
  else await sendFile(response, image.file, context.clock);
}
