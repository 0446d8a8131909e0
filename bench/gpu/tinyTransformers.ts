/** Transformers of every family in a tiny size, whose answers are compared with the CPU's. */
import { fluxPositions } from '../../runtime/families/flux.ts';
import { rotaryRow } from '../../runtime/families/rotary.ts';
import type { StoredTensors } from '../../runtime/files/safetensors.ts';
import type { GraphForm, Written } from '../../runtime/graphs/builder.ts';
import { writeFluxTransformer } from '../../runtime/graphs/fluxTransformer.ts';
import { writeSD3Transformer } from '../../runtime/graphs/sd3Transformer.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { wideNetwork } from '../wideNetworks.ts';
import { type FluxSize, fluxShapes, type SD3Size, type Shapes, sd3Shapes, tinySizes } from '../wideShapes.ts';
import { waves } from './tinyGraphs.ts';

export interface TinyTransformer {
  name: string;
  /** How its weights are stored; blocks stay as they are on the device. */
  dtype: 'F16' | 'Q4_0';
  shapes: Shapes;
  write: (tensors: StoredTensors, form: GraphForm) => Written;
  feeds: Record<string, Tensor>;
}

const flux: FluxSize = { head: 128, heads: 2, double: 1, single: 2, text: 96, pooled: 64 };
const sd3: SD3Size = { head: 64, heads: 3, layers: 3, dual: 1, text: 96, pooled: 64, side: 24 };

export function tinyTransformers(): TinyTransformer[] {
  const grid = { rows: 6, columns: 8 };
  const row = ({ text, pooled }: FluxSize | SD3Size, time: number) => ({
    sample: waves([1, 16, 2 * grid.rows, 2 * grid.columns]),
    timestep: floats(Float32Array.of(time), [1]),
    encoder_hidden_states: waves([1, 40, text], 0.3),
    pooled_projections: waves([1, pooled], 0.6),
  });
  const guidance = floats(Float32Array.of(3.5), [1]);
  const [klein, zImage, text] = (['klein', 'z-image', 'klein text'] as const).map((name) => {
    const { shapes, write, feeds } = wideNetwork(name, tinySizes);
    return { shapes, write, feeds: feeds(64, 1) };
  });
  return [
    { name: 'tiny Qwen3', dtype: 'F16', ...text! },
    {
      name: 'tiny transformer like SD 3.5',
      dtype: 'F16',
      shapes: sd3Shapes(sd3),
      write: (tensors, form) => writeSD3Transformer({ attention_head_dim: sd3.head }, tensors, form),
      feeds: row(sd3, 500),
    },
    {
      name: 'tiny transformer like FLUX.1',
      dtype: 'F16',
      shapes: fluxShapes(flux),
      write: writeFluxTransformer,
      feeds: { ...row(flux, 0.5), guidance, ...rotaryRow(fluxPositions(40, [grid]), [16, 56, 56], 10_000) },
    },
    { name: 'tiny transformer like Z-Image', dtype: 'F16', ...zImage! },
    { name: 'tiny transformer like FLUX.2 klein', dtype: 'F16', ...klein! },
    { name: 'tiny transformer like FLUX.2 klein in Q4_0', dtype: 'Q4_0', ...klein! },
  ];
}
