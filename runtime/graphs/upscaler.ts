import type { StoredTensors } from '../files/safetensors.ts';
import { type GraphBuilder, GraphError, type Value } from './builder.ts';

/** What is known of a network that enlarges pictures. */
export interface UpscalerSizes {
  /** Pixels of the result for each pixel, on each side. */
  scale: number;
  /** This many pixels on each side become channels first; pictures must be multiples of it. */
  unshuffle: number;
  /** How far a pixel of the picture has an effect, in pixels of the picture. */
  reach: number;
  /** Multiplications and additions for each pixel of the picture. */
  macsPerPixel: number;
  /** Numbers that it holds at its peak for each pixel of the picture. */
  floatsPerPixel: number;
}

/** Reads the sizes of 3×3 convolutions, and refuses tensors of other shapes, missing and further ones. */
export function readSizes(tensors: StoredTensors) {
  const read = new Set<string>();
  let macs = 0;
  const refuse = (reason: string): never => {
    throw new GraphError(`The network cannot be used: ${reason}`);
  };
  const tensor = (name: string, shape: readonly number[]): void => {
    const found = tensors.get(name) ?? refuse(`it has no tensor "${name}".`);
    read.add(name);
    if (found.shape.join() === shape.join()) return;
    refuse(`its tensor "${name}" is ${found.shape.join('×') || 'a number'} instead of ${shape.join('×')}.`);
  };
  return {
    expect(isRight: boolean, reason: string): void {
      if (!isRight) refuse(reason);
    },
    /** Channels of a layer: given and taken. */
    of(path: string): [given: number, taken: number] {
      const { shape } = tensors.get(`${path}.weight`) ?? refuse(`it has no tensor "${path}.weight".`);
      const [given, taken] = shape;
      if (shape.length !== 4 || !given || !taken) refuse(`its tensor "${path}.weight" is no convolution.`);
      return [given!, taken!];
    },
    /** How many consecutive layers there are. */
    count(pathOf: (index: number) => string, limit: number): number {
      let count = 0;
      while (tensors.has(`${pathOf(count)}.weight`)) if (++count > limit) refuse(`it has more than ${limit} layers.`);
      return count;
    },
    tensor,
    /** A convolution. @param times - how often for each pixel of its input */
    layer(path: string, given: number, taken: number, times = 1): void {
      tensor(`${path}.weight`, [given, taken, 3, 3]);
      tensor(`${path}.bias`, [given]);
      macs += given * taken * 9 * times;
    },
    /** After all layers. @returns multiplications and additions for each pixel of its input */
    finish(): number {
      const other = [...tensors.keys()].find((name) => !read.has(name));
      if (other !== undefined) refuse(`it has a tensor "${other}", which such a network does not have.`);
      return macs;
    },
  };
}

export function leaveColours(graph: GraphBuilder, x: Value): void {
  graph.leave('enlarged', x, ['batch', 3, 'enlarged_height', 'enlarged_width']);
}
