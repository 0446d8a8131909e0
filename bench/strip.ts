/**
 * Makes the README's picture strip: the looks at one generation's steps, then the same prompt's picture taken further by
 * its UUID. `node dist/bench/strip.js OUT.webp`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { connect, type GenerationEvent } from '../clients/typescript/index.ts';
import { loadConfig } from '../server/config/config.ts';
import { startServer } from '../server/index.ts';

const TILE = 192;
const SHOWN_STEPS = [0, 2, 4, 7, 11, 15];
const SEED = Number(process.argv[3] ?? 7);
const out = process.argv[2];
if (out === undefined) throw new Error('usage: strip OUT.webp [SEED]');

const dataDir = await mkdtemp(join(tmpdir(), 'latentwire-strip-'));
const server = await startServer(loadConfig(['--port', '0', '--data-dir', dataDir, '--log-level', 'error'], {}));
const client = connect({ url: server.url });

async function tilesOf(
  task: Parameters<typeof client.generate>[0],
  shown: readonly number[],
): Promise<[Buffer[], string]> {
  const generation = client.generate({
    previews: { every: 1, format: 'PNG', decoder: 'tiny' },
    outputFormat: 'PNG',
    ...task,
  });
  const tiles: Buffer[] = [];
  const take = async (event: GenerationEvent) => {
    if (event.event === 'previewed' && shown.includes(event.step)) tiles.push(await tile(Buffer.from(event.image)));
  };
  for await (const event of generation) await take(event);
  const { imageURL, imageUUID } = await generation.result;
  tiles.push(await tile(Buffer.from(await (await fetch(imageURL)).arrayBuffer())));
  return [tiles, imageUUID];
}

function tile(image: Buffer): Promise<Buffer> {
  return sharp(image).resize(TILE, TILE, { kernel: 'cubic' }).png().toBuffer();
}

try {
  const [first, seedImage] = await tilesOf(
    { positivePrompt: 'a red potion on a blue table', steps: 20, seed: SEED },
    SHOWN_STEPS,
  );
  const [second] = await tilesOf(
    { positivePrompt: 'a green potion', seedImage, strength: 0.7, steps: 20, seed: SEED },
    [],
  );
  const tiles = [...first, ...second];
  await sharp({ create: { width: TILE * tiles.length, height: TILE, channels: 3, background: '#fff' } })
    .composite(tiles.map((input, n) => ({ input, left: n * TILE, top: 0 })))
    .webp({ quality: 85 })
    .toFile(out);
} finally {
  await client.close();
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
}
