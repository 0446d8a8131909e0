import { GraphBuilder } from '../graphs/builder.ts';
import { InferenceSession, Tensor as OrtTensor } from './onnxruntime.ts';

/** Calls of graphs that a tensor stays on the device without being used. */
const LINGERS = 64;

/** Bytes on the device above which what the last call did not use is freed at once: keys and values of pictures are large. */
const MOST_BYTES = 2 ** 30;

/**
 * Tensors that were copied to the GPU once, for calls that are given the same values again: text states, pictures of
 * ControlNets, matrices of LoRAs, keys and values of IP-Adapters. onnxruntime's WebGPU provider alone keeps outputs of a graph on the device and takes
 * them as inputs of another; so the copy is the output of a graph that does nothing.
 */
export class Residents {
  /** By array and shape: the zeros of several inputs may be one array. */
  private readonly held = new Map<Float32Array, Map<string, { tensor: OrtTensor; usedAt: number }>>();
  private readonly copiers = new Map<number, Promise<InferenceSession>>();
  private readonly mostBytes: number;
  private bytes = 0;
  private calls = 0;

  /** @param mostBytes - see `MOST_BYTES` */
  constructor(mostBytes = MOST_BYTES) {
    this.mostBytes = mostBytes;
  }

  /**
   * The tensor on the device. Known by the array itself: it must not be written to any more.
   *
   * @returns also the bytes that crossed for it, 0 where it was there
   */
  async of(data: Float32Array, dims: readonly number[]): Promise<{ tensor: OrtTensor; bytes: number }> {
    const ofData = this.held.get(data) ?? new Map<string, { tensor: OrtTensor; usedAt: number }>();
    const held = ofData.get(dims.join());
    if (held) {
      held.usedAt = this.calls;
      return { tensor: held.tensor, bytes: 0 };
    }
    const copier = await this.copier(dims.length);
    const { y } = await copier.run({ x: new OrtTensor('float32', data, dims) });
    const tensor = y as OrtTensor;
    ofData.set(dims.join(), { tensor, usedAt: this.calls });
    this.held.set(data, ofData);
    this.bytes += data.byteLength;
    return { tensor, bytes: data.byteLength };
  }

  /** Counts a call of a graph, and frees what no call has used for long, or not lately where there is too much. */
  called(): void {
    this.calls++;
    for (const [data, ofData] of this.held) {
      for (const [shape, { tensor, usedAt }] of ofData) {
        const idle = this.calls - usedAt;
        // At 1 it is used by the call that ends now.
        if (idle <= 1 || (idle <= LINGERS && this.bytes <= this.mostBytes)) continue;
        ofData.delete(shape);
        this.bytes -= data.byteLength;
        tensor.dispose();
      }
      if (ofData.size === 0) this.held.delete(data);
    }
  }

  private copier(rank: number): Promise<InferenceSession> {
    let copier = this.copiers.get(rank);
    if (!copier) {
      const builder = new GraphBuilder(new Map());
      const dims = Array.from({ length: rank }, (_, axis) => `d${axis}`);
      const x = builder.input('x', 'float32', dims);
      builder.output('y', builder.node('Identity', [x], { name: 'copy' }), 'float32', dims);
      copier = InferenceSession.create(builder.finish('copy').bytes, {
        executionProviders: ['webgpu'],
        preferredOutputLocation: 'gpu-buffer',
        logSeverityLevel: 4,
      });
      this.copiers.set(rank, copier);
    }
    return copier;
  }
}

const lastingInputs: readonly string[] = [
  'encoder_hidden_states',
  'text_embeds',
  'time_ids',
  'timestep_cond',
  'controlnet_cond',
];

/** Whether an input of a graph is given the same values at each step of a run, in an array that is never written to again. */
export function isLasting(input: string): boolean {
  return lastingInputs.includes(input) || input.includes('.lora_') || input.includes('.image_');
}
