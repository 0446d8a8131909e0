import { RuntimeError } from '../errors.ts';
import type { UpscalerSizes } from '../graphs/upscaler.ts';
import { LANCZOS, type Pixels, type UpscaleRequest } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Part, Run } from '../run.ts';
import { type Box, lanczosBox } from '../tensors/resample.ts';
import { floats } from '../tensors/tensor.ts';
import type { ModelCache } from './modelCache.ts';
import { RunNetworks, type RunOptions } from './residency.ts';
import { planTiles, type Tile } from './tiles.ts';

/** Longest side of a preview. */
const PREVIEW_SIDE = 512;

/** Enlarges a picture by a network, tile by tile, and interpolates its output to the size of the request. */
export async function* upscale(modelCache: ModelCache, request: UpscaleRequest, options: RunOptions = {}): Run {
  check(request);
  const { image, model, width, height } = request;
  const upscaler = model === LANCZOS ? undefined : await modelCache.upscaler(model);
  const sizes = upscaler?.sizes;
  const tiles = planTiles(image, request, sizes);
  yield { type: 'started', steps: tiles.length };
  const needed = upscaler ? [{ network: upscaler.network }] : [];
  const networks = new RunNetworks(
    modelCache.residency,
    { texts: [], imagePrompts: [], pictures: [], denoising: needed, decoding: [] },
    options.workingBytes ?? 0,
    options.signal,
  );
  try {
    yield* networks.begin();
    yield* networks.enter('denoising');
    yield { type: 'staged', stage: 'denoising' };
    const result: Pixels = { width, height, data: new Uint8Array(width * height * 3) };
    const graph = await upscaler?.network.graph();
    for (const [step, tile] of tiles.entries()) {
      const { window, box } = tile;
      const scale = sizes?.scale ?? 1;
      const part = graph && sizes ? yield* enlarged(graph, sizes, image, window) : cropped(image, window);
      const at = { left: window.left * scale, top: window.top * scale };
      const from = { width: image.width * scale, height: image.height * scale };
      const isAsWide = from.width === width && from.height === height;
      const made = isAsWide
        ? cropped(part, { ...box, left: box.left - at.left, top: box.top - at.top })
        : lanczosBox(part, at, from, request, box);
      lay(made, result, box);
      const picture = () => previewOf(image, result, tiles.slice(0, step + 1));
      yield { type: 'stepped', step, steps: tiles.length, picture };
    }
    return result;
  } finally {
    networks.release();
  }
}

/** @throws RuntimeError with the parameter */
function check({ image, width, height }: UpscaleRequest): void {
  if (image.width < 1 || image.height < 1 || image.data.length !== image.width * image.height * 3) {
    throw new RuntimeError('invalidParameter', 'The picture must have three bytes per pixel.', { parameter: 'image' });
  }
  for (const [parameter, value] of Object.entries({ width, height })) {
    if (Number.isInteger(value) && value >= image[parameter as 'width' | 'height']) continue;
    throw new RuntimeError('invalidParameter', `${parameter} must not be smaller than that of the picture.`, {
      parameter,
    });
  }
}

/** What the network makes of a window, in bytes. */
async function* enlarged(graph: Graph, sizes: UpscalerSizes, image: Pixels, window: Box): Part<Pixels> {
  const { unshuffle } = sizes;
  const [width, height] = [window.width / unshuffle, window.height / unshuffle];
  const input = graph.inputs[0]!.name;
  const output = graph.outputs[0]!.name;
  const sample = floats(planesOf(image, window, unshuffle), [1, 3 * unshuffle ** 2, height, width]);
  const [answer] = yield {
    type: 'call',
    graph,
    rows: [{ [input]: sample }],
    outputs: [output],
    positions: width * height,
  };
  const { data, dims } = answer![output]!;
  return bytesOf(data, dims[3]!, dims[2]!);
}

/**
 * A window as planes in [0, 1], with unshuffle × unshuffle pixels as channels, in PyTorch's order. Beyond the right and the lower
 * edge the picture is mirrored.
 */
export function planesOf(image: Pixels, window: Box, unshuffle: number): Float32Array {
  const [across, down] = [window.width / unshuffle, window.height / unshuffle];
  const planes = new Float32Array(3 * window.width * window.height);
  for (let y = 0; y < window.height; y++) {
    const row = mirrored(window.top + y, image.height) * image.width;
    for (let x = 0; x < window.width; x++) {
      const pixel = (row + mirrored(window.left + x, image.width)) * 3;
      const channel = (y % unshuffle) * unshuffle + (x % unshuffle);
      const place = Math.floor(y / unshuffle) * across + Math.floor(x / unshuffle);
      for (let colour = 0; colour < 3; colour++) {
        planes[(colour * unshuffle ** 2 + channel) * across * down + place] = image.data[pixel + colour]! / 255;
      }
    }
  }
  return planes;
}

function mirrored(at: number, length: number): number {
  return at < length ? at : Math.max(0, 2 * length - 2 - at);
}

/** Planes in [0, 1] → bytes. */
function bytesOf(planes: Float32Array, width: number, height: number): Pixels {
  const area = width * height;
  // Its elements clamp what is written to them, and round.
  const data = new Uint8ClampedArray(area * 3);
  for (let colour = 0; colour < 3; colour++) {
    for (let at = 0; at < area; at++) data[at * 3 + colour] = planes[colour * area + at]! * 255;
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}

function cropped({ width, data }: Pixels, box: Box): Pixels {
  const part = new Uint8Array(box.width * box.height * 3);
  for (let y = 0; y < box.height; y++) {
    const start = ((box.top + y) * width + box.left) * 3;
    part.set(data.subarray(start, start + box.width * 3), y * box.width * 3);
  }
  return { width: box.width, height: box.height, data: part };
}

function lay(part: Pixels, result: Pixels, box: Box): void {
  for (let y = 0; y < box.height; y++) {
    const row = part.data.subarray(y * box.width * 3, (y + 1) * box.width * 3);
    result.data.set(row, ((box.top + y) * result.width + box.left) * 3);
  }
}

/** The finished tiles, and the picture at half its brightness elsewhere. */
function previewOf(image: Pixels, result: Pixels, finished: readonly Tile[]): Pixels {
  const scale = Math.min(1, PREVIEW_SIDE / Math.max(result.width, result.height));
  const width = Math.max(1, Math.round(result.width * scale));
  const height = Math.max(1, Math.round(result.height * scale));
  const data = new Uint8Array(width * height * 3);
  const nearest = (at: number, of: number, size: number) => Math.floor(((at + 0.5) * size) / of);
  for (let y = 0, byte = 0; y < height; y++) {
    const row = nearest(y, height, result.height);
    const beside = finished.filter(({ box }) => row >= box.top && row < box.top + box.height);
    const sourceRow = nearest(y, height, image.height) * image.width;
    for (let x = 0; x < width; x++) {
      const column = nearest(x, width, result.width);
      const isFinished = beside.some(({ box }) => column >= box.left && column < box.left + box.width);
      const pixel = isFinished ? row * result.width + column : sourceRow + nearest(x, width, image.width);
      const from = isFinished ? result.data : image.data;
      for (let colour = 0; colour < 3; colour++) data[byte++] = from[pixel * 3 + colour]! >> (isFinished ? 0 : 1);
    }
  }
  return { width, height, data };
}
