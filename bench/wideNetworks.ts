/** The networks of FLUX.2 klein and Z-Image, in full size or small: their graphs, what they are fed with, and their arithmetic. */
import { flux2Positions } from '../runtime/families/flux2.ts';
import { rotaryRow } from '../runtime/families/rotary.ts';
import { zImagePositions } from '../runtime/families/zImage.ts';
import type { StoredTensors } from '../runtime/files/safetensors.ts';
import type { GraphForm, Written } from '../runtime/graphs/builder.ts';
import { writeFlux2Transformer } from '../runtime/graphs/flux2Transformer.ts';
import { writeQwen3 } from '../runtime/graphs/qwen3.ts';
import { writeZImageTransformer } from '../runtime/graphs/zImageTransformer.ts';
import { createNoise } from '../runtime/tensors/noise.ts';
import { floats, type Tensor } from '../runtime/tensors/tensor.ts';
import { count } from './randomModel.ts';
import { fullSizes, kleinShapes, qwen3Shapes, type Shapes, type WideSizes, zImageShapes } from './wideShapes.ts';

export interface WideNetwork {
  shapes: Shapes;
  /** Of a text encoder. */
  reads?: TextShape;
  write: (tensors: StoredTensors, form: GraphForm) => Written;
  /** @param pixels - on each side; of no meaning to a text encoder, which takes one row */
  feeds: (pixels: number, rows: number) => Record<string, Tensor>;
  /** Multiplications of one row: by the weights of matrices, and in the two products of attention. */
  multiplications: (pixels: number) => { matrices: number; attention: number };
}

export interface TextShape {
  tokens: number;
  /** After how many layers the states are taken; layers behind the last of them are not computed. */
  states: number[];
  /** Whether only the first words are text, and a mask hides the others. */
  isFilled: boolean;
}

export type WideName = 'klein' | 'z-image' | 'klein text' | 'z-image text';

/** Of a prompt with a few words. */
const WORDS = 30;
/** To which klein fills all prompts. */
const FILLED = 512;
/** To a multiple of this Z-Image fills both sequences. */
const MULTIPLE = 32;
const filled = (length: number) => Math.ceil(length / MULTIPLE) * MULTIPLE;

export function wideNetwork(name: WideName, sizes: WideSizes = fullSizes): WideNetwork {
  switch (name) {
    case 'klein':
      return klein(sizes);
    case 'z-image':
      return zImage(sizes);
    case 'klein text':
      // 9, 18 and 27 of 36.
      return text(sizes, {
        tokens: FILLED,
        states: [1, 2, 3].map((part) => (part * sizes.qwen3.layers) / 4),
        isFilled: true,
      });
    case 'z-image text':
      return text(sizes, { tokens: WORDS, states: [sizes.qwen3.layers - 1], isFilled: false });
  }
}

function klein({ klein: size }: WideSizes): WideNetwork {
  const { head, heads, double, single, text } = size;
  const config = { axes_dims_rope: [1, 2, 3, 4].map(() => head / 4), rope_theta: 2000 };
  const shapes = kleinShapes(size);
  const picture = (pixels: number) => (pixels / 16) ** 2;
  return {
    shapes,
    write: (tensors, form) => writeFlux2Transformer(config, tensors, form),
    feeds: (pixels, rows) => {
      const side = pixels / 16;
      const ids = flux2Positions(FILLED, { rows: side, columns: side }, []);
      return {
        sample: normal(rows, 128, side, side),
        timestep: times(rows),
        encoder_hidden_states: normal(rows, FILLED, text),
        ...rotaryRow(repeated(ids, rows), config.axes_dims_rope, config.rope_theta),
      };
    },
    multiplications: (pixels) => ({
      matrices: inMatrices(shapes, (name) => {
        if (isOnce(name)) return 1;
        if (/context|add_/.test(name)) return FILLED;
        return name.startsWith('single') ? picture(pixels) + FILLED : picture(pixels);
      }),
      attention: (double + single) * inAttention(picture(pixels) + FILLED, heads * head),
    }),
  };
}

function zImage({ zImage: size }: WideSizes): WideNetwork {
  const { head, heads, layers, refiners, text } = size;
  // Of 128 channels 32 are turned by the first axis, and 48 by each of the others.
  const config = { axes_dims: [head / 4, (3 * head) / 8, (3 * head) / 8], rope_theta: 256 };
  const shapes = zImageShapes(size);
  const picture = (pixels: number) => filled((pixels / 16) ** 2);
  return {
    shapes,
    write: (tensors, form) => writeZImageTransformer(config, tensors, form),
    feeds: (pixels, rows) => {
      const side = pixels / 8;
      const ids = zImagePositions(side / 2, side / 2, WORDS);
      return {
        sample: normal(rows, 16, side, side),
        timestep: times(rows),
        encoder_hidden_states: normal(rows, WORDS, text),
        ...rotaryRow(repeated(ids, rows), config.axes_dims, config.rope_theta),
      };
    },
    multiplications: (pixels) => {
      const [ofPicture, ofText] = [picture(pixels), filled(WORDS)];
      return {
        matrices: inMatrices(shapes, (name) => {
          if (isOnce(name)) return 1;
          if (/context|cap_/.test(name)) return ofText;
          return name.startsWith('layers') ? ofPicture + ofText : ofPicture;
        }),
        attention:
          layers * inAttention(ofPicture + ofText, heads * head) +
          refiners * (inAttention(ofPicture, heads * head) + inAttention(ofText, heads * head)),
      };
    },
  };
}

function text({ qwen3: size }: WideSizes, reads: TextShape): WideNetwork {
  const { tokens: length, states, isFilled } = reads;
  const shapes = qwen3Shapes(size);
  const layers = Math.max(...states);
  return {
    shapes,
    reads,
    write: (tensors, form) => writeQwen3({}, tensors, { ...form, states, attentionMask: isFilled }),
    feeds: () => {
      const ids = BigInt64Array.from({ length }, (_, i) => BigInt((i * 4001) % size.words));
      const mask = Int32Array.from({ length }, (_, i) => (i < WORDS ? 1 : 0));
      return {
        input_ids: { dtype: 'int64', data: ids, dims: [1, length] },
        ...(isFilled && { attention_mask: { dtype: 'int32', data: mask, dims: [1, length] } satisfies Tensor }),
      };
    },
    multiplications: () => ({
      matrices: inMatrices(shapes, (name) =>
        Number(/layers\.(\d+)/.exec(name)?.[1] ?? Number.POSITIVE_INFINITY) < layers ? length : 0,
      ),
      attention: layers * inAttention(length, size.heads * size.head),
    }),
  };
}

function inMatrices(shapes: Shapes, rowsOf: (name: string) => number): number {
  return shapes.reduce((sum, [name, ...shape]) => sum + (shape.length === 2 ? count(shape) * rowsOf(name) : 0), 0);
}

/** Every token looks at every other: one product before the softmax, and one after it. */
function inAttention(tokens: number, width: number): number {
  return 2 * tokens ** 2 * width;
}

/** Layers that are given the time and not the tokens, and what is no layer. */
function isOnce(name: string): boolean {
  return /time_guidance|modulation|norm_out|t_embedder|pad_token/i.test(name);
}

/** Numbers of no pattern, the same ones each time. */
export function normal(...dims: number[]): Tensor {
  return floats(createNoise(3n).normal(count(dims)), dims);
}

function times(rows: number): Tensor {
  return floats(new Float32Array(rows).fill(0.7), [rows]);
}

function repeated<T>(list: readonly T[], times: number): T[] {
  return Array.from({ length: times }, () => list).flat();
}
