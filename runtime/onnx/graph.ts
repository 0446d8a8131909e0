import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { fromFloat16, toFloat16 } from '../tensors/float16.ts';
import {
  type FloatTensor,
  join,
  type Tensor,
  type TensorData,
  type TensorDtype,
  type ValueInfo,
} from '../tensors/tensor.ts';
import {
  env,
  InferenceSession,
  Tensor as OrtTensor,
  type SessionOptions,
  type ValueMap,
  type ValueMetadata,
} from './onnxruntime.ts';
import type { Provider } from './providers.ts';
import { isLasting, Residents } from './resident.ts';

// Every failure is thrown as well; without this, trying a provider that is not installed writes native noise to stderr.
env.logLevel = 'fatal';

/**
 * A model on disk (its external data beside it), or in memory with the files its external data names: the folder where
 * they are, which onnxruntime maps, or their bytes. With `inPlace` the CPU computes on the mapped weights as they lie,
 * rather than on copies of them in the order that its kernels like best; with `packed` it copies only matrices of 4 and 8
 * bits, and what other matrix products read, but no convolutions.
 */
export type GraphSource = (
  | { file: string }
  | { bytes: Uint8Array; folder: string; inPlace?: boolean | 'packed' | undefined }
  | { bytes: Uint8Array; externalData?: { path: string; data: Uint8Array }[] | undefined }
) & { label?: string | undefined; structure?: string | undefined };

/** A graph could not be opened or run; the message is a sentence, `cause` what onnxruntime said. */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
}

/** Bytes of inputs that crossed into the graphs that this process called, since it began; on the CPU they are no copies. */
export const traffic = { bytesIn: 0 };

/** What WebGPU holds; its buffers serve all graphs of the process. */
const residents = new Residents();

/** Bytes of joined tensors that are kept: what some live groups of runs ask for step after step. */
const JOINED_BYTES = 128 * 2 ** 20;

/** By the array of the first part, the one used last at the end. */
const joined = new Map<object, { parts: readonly unknown[]; whole: Tensor }>();
let joinedBytes = 0;

/**
 * `join`, which gives the same array again for the same arrays in the same order, so that it stays on the device. For tensors
 * that are never written to again. Those used last are kept, up to 128 MiB.
 */
export function joinLasting(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (!first || tensors.length === 1) return join(tensors);
  const parts = tensors.map(({ data }) => data);
  const kept = joined.get(first.data);
  const isSame = kept?.parts.length === parts.length && parts.every((part, at) => part === kept.parts[at]);
  const whole = isSame ? kept.whole : join(tensors);
  if (kept) forgetJoined(first.data, kept.whole);
  joined.set(first.data, { parts, whole });
  joinedBytes += whole.data.byteLength;
  for (const [data, oldest] of joined) {
    if (joinedBytes <= JOINED_BYTES || data === first.data) break;
    forgetJoined(data, oldest.whole);
  }
  return whole;
}

function forgetJoined(key: object, { data }: Tensor): void {
  joined.delete(key);
  joinedBytes -= data.byteLength;
}

/** One loaded ONNX graph, and the only place that touches an onnxruntime session. */
export class Graph {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** What errors call this graph. */
  readonly label: string;
  /** The same for graphs that compute alike, so that what was measured of one holds for the other; absent: not known. */
  readonly structure: string | undefined;
  private readonly session: InferenceSession;
  /** Whether inputs that stay the same are kept on the device, see `Residents`. */
  readonly onDevice: boolean;
  private readonly inputByName: ReadonlyMap<string, ValueInfo>;

  private constructor(session: InferenceSession, label: string, structure: string | undefined, provider: Provider) {
    this.session = session;
    this.onDevice = provider.name === 'webgpu';
    this.label = label;
    this.structure = structure;
    this.inputs = session.inputMetadata.map(infoOf);
    this.outputs = session.outputMetadata.map(infoOf);
    this.inputByName = new Map(this.inputs.map((input) => [input.name, input]));
  }

  /** Loads a graph. The event loop stands still meanwhile. */
  static async open(source: GraphSource, provider: Provider): Promise<Graph> {
    const label = source.label ?? ('file' in source ? basename(source.file) : 'the graph');
    const { structure } = source;
    // Threads wait busily between the operators of a call, but not between calls: the next one is often of another graph,
    // whose threads need the same cores (a tiny preview between two steps cost 45 ms in place of 8).
    const spinning = { force_spinning_stop: '1' };
    const options: SessionOptions = {
      executionProviders: [
        provider.deviceId === undefined
          ? provider.name
          : { name: provider.name as 'cuda', deviceId: provider.deviceId },
      ],
      graphOptimizationLevel: provider.optimization ?? 'all',
      intraOpNumThreads: provider.threads ?? availableParallelism(),
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Warnings about nodes that stay on the CPU are expected on every accelerator; errors are thrown anyway.
      logSeverityLevel: provider.explains ? 0 : 4,
      extra: { session: spinning },
    };
    try {
      if ('file' in source)
        return new Graph(await InferenceSession.create(source.file, options), label, structure, provider);
      if ('folder' in source) {
        const inPlace = source.inPlace !== undefined && source.inPlace !== false && provider.name === 'cpu';
        const session = await InferenceSession.create(source.bytes, {
          ...options,
          // `layout` and `all` reorder the weights of convolutions, and packing does so with those of matrix products.
          ...(inPlace && { graphOptimizationLevel: provider.optimization ?? 'extended' }),
          extra: {
            session: {
              ...spinning,
              model_external_initializers_file_folder_path: source.folder,
              ...(inPlace && source.inPlace !== 'packed' && { disable_prepacking: '1' }),
            },
          },
        });
        return new Graph(session, label, structure, provider);
      }
      const externalData = source.externalData ?? [];
      const session = await InferenceSession.create(source.bytes, {
        ...options,
        ...(externalData.length > 0 && { externalData }),
      });
      return new Graph(session, label, structure, provider);
    } catch (cause) {
      throw new OnnxError(`${label} could not be loaded on ${provider.name}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Whether the graph has an input of this name. */
  takes(input: string): boolean {
    return this.inputByName.has(input);
  }

  /** Whether the graph has an output of this name. */
  gives(output: string): boolean {
    return this.outputs.some(({ name }) => name === output);
  }

  /**
   * Runs the graph once; the event loop stands still meanwhile.
   *
   * Feeds are converted to what the graph declares: float32 to float16 or back, int64 to int32 or float, and a timestep
   * of one value (or of equal ones) to a scalar. Feeds the graph does not take are an error.
   *
   * @param wanted - names of the outputs to return; default all
   * @returns outputs by name; float16 and float64 come back as float32
   */
  async run(feeds: Record<string, Tensor>, wanted?: readonly string[]): Promise<Record<string, Tensor>> {
    const ready: Record<string, OrtTensor> = {};
    for (const [name, tensor] of Object.entries(feeds)) {
      const info = this.inputByName.get(name);
      if (!info) {
        const names = this.inputs.map((input) => input.name).join(', ');
        throw new OnnxError(`${this.label} has no input "${name}". Its inputs: ${names}.`);
      }
      if (this.onDevice && isLasting(name) && tensor.dtype === 'float32' && info.dtype === 'float32') {
        ready[name] = await this.resident(tensor);
        continue;
      }
      ready[name] = feed(tensor, info, this.label);
      traffic.bytesIn += tensor.data.byteLength;
    }
    for (const { name } of this.inputs) {
      if (!(name in ready)) throw new OnnxError(`${this.label} got no input "${name}".`);
    }
    let results: ValueMap;
    try {
      results = wanted ? await this.session.run(ready, [...wanted]) : await this.session.run(ready);
    } catch (cause) {
      throw new OnnxError(`${this.label} failed while running: ${messageOf(cause)}`, { cause });
    }
    if (this.onDevice) residents.called();
    const outputs: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(results)) outputs[name] = readBack(value as OrtTensor, name, this.label);
    return outputs;
  }

  private async resident({ data, dims }: FloatTensor): Promise<OrtTensor> {
    try {
      const { tensor, bytes } = await residents.of(data, dims);
      traffic.bytesIn += bytes;
      return tensor;
    } catch (cause) {
      throw new OnnxError(`${this.label} could not read its inputs: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * Frees the graph. Repeated opening and closing leaks memory in onnxruntime (its issue 25325): end the process to
   * get rid of a model for good.
   */
  async close(): Promise<void> {
    await this.session.release();
  }
}

function infoOf(metadata: ValueMetadata): ValueInfo {
  if (!metadata.isTensor) return { name: metadata.name, dtype: 'other', shape: [] };
  return { name: metadata.name, dtype: metadata.type, shape: metadata.shape };
}

function feed(tensor: Tensor, info: ValueInfo, label: string): OrtTensor {
  const data = convert(tensor, info, label);
  let dims = tensor.dims;
  if (info.shape.length === 0 && dims.length === 1) {
    // One timestep for all samples: fine only while they agree.
    const same = tensor.data.every((value: number | bigint) => value === tensor.data[0]);
    if (!same) throw new OnnxError(`${label} takes one ${info.name} for the whole batch, but got several.`);
    return ortTensor(info.dtype, data.subarray(0, 1), []);
  }
  if (info.shape.length === 1 && dims.length === 0) dims = [1];
  return ortTensor(info.dtype, data, dims);
}

/** The values of a tensor in the dtype that the graph declares. */
function convert(tensor: Tensor, info: ValueInfo, label: string): TensorData[TensorDtype] {
  const { dtype, data } = tensor;
  if (dtype === info.dtype) return data;
  const numbers = (): Float32Array | Float64Array | Int32Array | BigInt64Array | undefined => {
    if (dtype === 'float16') return fromFloat16(data);
    return dtype === 'float32' || dtype === 'float64' || dtype === 'int32' || dtype === 'int64' ? data : undefined;
  };
  const values = numbers();
  if (values) {
    if (info.dtype === 'float32') return Float32Array.from(values as ArrayLike<number>, Number);
    if (info.dtype === 'float16') {
      return toFloat16(dtype === 'float32' ? data : Float32Array.from(values as ArrayLike<number>, Number));
    }
    if (info.dtype === 'float64') return Float64Array.from(values as ArrayLike<number>, Number);
    if (info.dtype === 'int32') return Int32Array.from(values as ArrayLike<number>, (v) => Math.round(Number(v)));
    // Timesteps of some schedulers lie between two whole numbers; a graph that takes int64 was trained on those.
    if (info.dtype === 'int64') {
      return BigInt64Array.from(values as ArrayLike<number>, (v) => BigInt(Math.round(Number(v))));
    }
  }
  throw new OnnxError(`${label} takes ${info.name} as ${info.dtype}, which cannot be converted from ${dtype}.`);
}

function ortTensor(dtype: string, data: TensorData[TensorDtype], dims: readonly number[]): OrtTensor {
  return new OrtTensor(dtype as 'float32', data as Float32Array, dims);
}

function readBack(value: OrtTensor, name: string, label: string): Tensor {
  const dims = [...value.dims];
  switch (value.type) {
    case 'float32':
      return { dtype: 'float32', dims, data: value.data as Float32Array };
    case 'float16': {
      // A newer Node gives a Float16Array here; its bits are what we read.
      const { buffer, byteOffset, length } = value.data as Uint16Array;
      return { dtype: 'float32', dims, data: fromFloat16(new Uint16Array(buffer, byteOffset, length)) };
    }
    case 'float64':
      return { dtype: 'float32', dims, data: Float32Array.from(value.data as Float64Array) };
    case 'int64':
      return { dtype: 'int64', dims, data: value.data as BigInt64Array };
    case 'int32':
      return { dtype: 'int32', dims, data: value.data as Int32Array };
    case 'int8':
      return { dtype: 'int8', dims, data: value.data as Int8Array };
    case 'uint8':
      return { dtype: 'uint8', dims, data: value.data as Uint8Array };
    case 'bool':
      return { dtype: 'bool', dims, data: value.data as Uint8Array };
    default:
      throw new OnnxError(`${label} gives ${name} as ${value.type}, which is not supported.`);
  }
}

function messageOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const sentence = text.trim().slice(0, 600);
  return sentence.endsWith('.') ? sentence : `${sentence}.`;
}
