import { join } from 'node:path';
import {
  type ActiveLora,
  adapterFeeds,
  type Lora,
  type LoraModules,
  modulesOf,
  readLora,
} from '../../runtime/addons/lora.ts';
import type { DenoiserNames, LoraComponent } from '../../runtime/addons/loraKeys.ts';
import { ldmAliases } from '../../runtime/families/ldmFile.ts';
import type { ClipTextConfig } from '../../runtime/graphs/clipText.ts';
import { type UNet2DConditionConfig, writeUNet2DCondition } from '../../runtime/graphs/unet2DCondition.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import type { Tensor } from '../../runtime/tensors/tensor.ts';
import { modelFolder, readGoldens, relativeError, type TinyModel } from './goldens.ts';
import { openWritten, type Part, readPart, unetFeeds, unoptimized } from './graphs.ts';
import { openComponent } from './openComponent.ts';
import { float32View, type NewTensor, readOwn } from './safetensors.ts';

const loaded = new Map<TinyModel, Promise<Tiny>>();

/** A tiny model's UNet and text encoders, and what its UNet is fed with for its recorded call. */
export class Tiny {
  readonly folder: string;
  readonly unet: Part<UNet2DConditionConfig>;
  readonly text: Part<ClipTextConfig>;
  readonly feeds: Record<string, Tensor>;
  readonly modules: Record<LoraComponent, LoraModules>;
  /** Graphs that were needed so far, by the form of their adapters. */
  private readonly graphs = new Map<string, Graph>();

  private constructor(
    model: TinyModel,
    unet: Part<UNet2DConditionConfig>,
    text: Part<ClipTextConfig>,
    feeds: Record<string, Tensor>,
    text2: LoraModules,
  ) {
    this.folder = modelFolder(model);
    this.unet = unet;
    this.text = text;
    this.feeds = feeds;
    this.modules = {
      denoiser: [...modulesOf(unet.tensors)],
      text_encoder: [...modulesOf(text.tensors)],
      text_encoder_2: text2,
      text_encoder_3: [],
    };
  }

  /** The same for all who ask: graphs with places for adapters take a second to open. */
  static load(model: TinyModel): Promise<Tiny> {
    const tiny = loaded.get(model) ?? Tiny.open(model);
    loaded.set(model, tiny);
    return tiny;
  }

  private static async open(model: TinyModel): Promise<Tiny> {
    const goldens = readGoldens(model);
    const open = (component: LoraComponent) => openComponent(modelFolder(model), component, unoptimized);
    const encoders = [await open('text_encoder')];
    let text2: LoraModules = [];
    if (goldens.textEncoder2) {
      encoders.push(await open('text_encoder_2'));
      text2 = [...modulesOf((await readPart(join(modelFolder(model), 'text_encoder_2'), 'model')).tensors)];
    }
    const feeds = await unetFeeds(goldens, encoders[0]!, encoders[1]);
    for (const encoder of encoders) await encoder.close();
    const unet = await readPart<UNet2DConditionConfig>(join(modelFolder(model), 'unet'));
    const text = await readPart<ClipTextConfig>(join(modelFolder(model), 'text_encoder'), 'model');
    return new Tiny(model, unet, text, feeds, text2);
  }

  read(file: string): Promise<Lora> {
    return readLora(file, this.modules, unetNames(this.unet.config));
  }

  async graph(adapters: 'none' | 'linear' | 'all', vectors = false): Promise<Graph> {
    const key = `${adapters} ${vectors}`;
    const graph =
      this.graphs.get(key) ??
      (await openWritten(writeUNet2DCondition(this.unet.config, this.unet.tensors, { adapters, vectors })));
    this.graphs.set(key, graph);
    return graph;
  }

  /** Closes the graphs of all that were loaded in this file. */
  static async closeAll(): Promise<void> {
    for (const tiny of await Promise.all(loaded.values())) await tiny.close();
    loaded.clear();
  }

  private async close(): Promise<void> {
    for (const graph of this.graphs.values()) await graph.close();
  }

  async plain(): Promise<Tensor> {
    return (await (await this.graph('none')).run(this.feeds)).out_sample!;
  }

  /** The UNet's output with LoRAs as inputs of the graph. */
  async adapted(loras: readonly ActiveLora[], adapters: 'linear' | 'all' = 'linear', vectors = false): Promise<Tensor> {
    const graph = await this.graph(adapters, vectors);
    return (await graph.run({ ...this.feeds, ...adapterFeeds(graph.inputs, loras) })).out_sample!;
  }

  /** The UNet's output with LoRAs merged into its weights: W + weight · scale · up · down, in double precision. */
  async merged(loras: readonly ActiveLora[]): Promise<Tensor> {
    return this.changed((bytes) => merge(this.unet, bytes, loras));
  }

  /** The UNet's output with its weights changed in a copy of its file. */
  async changed(change: (bytes: Uint8Array) => void): Promise<Tensor> {
    const bytes = readOwn(join(this.folder, 'unet/diffusion_pytorch_model.safetensors'));
    change(bytes);
    const graph = await openWritten(writeUNet2DCondition(this.unet.config, this.unet.tensors), bytes);
    const { out_sample: out } = await graph.run(this.feeds);
    await graph.close();
    return out!;
  }
}

export function merge({ tensors }: Part<unknown>, bytes: Uint8Array, loras: readonly ActiveLora[]): void {
  for (const { layers, weight } of loras) {
    for (const [path, { down, up, rank, scale }] of layers) {
      const values = float32View(tensors, `${path}.weight`, bytes);
      const size = down.length / rank;
      for (let i = 0; i < values.length; i++) {
        const [row, column] = [Math.floor(i / size), i % size];
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += up[row * rank + r]! * down[r * size + column]!;
        values[i] = values[i]! + weight * scale * sum;
      }
    }
  }
}

export const errorOf = (actual: Tensor, expected: Tensor) =>
  relativeError(actual.data as Float32Array, expected.data as Float32Array);

/** Repeatable values in ±`size`. */
export function values(count: number, seed: number, size = 0.3): Float32Array {
  let state = seed * 2654435761 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * size;
  });
}

/** A layer's tensors under names of kohya, for a weight of the shape given. */
export function layerOf(
  name: string,
  weight: readonly number[],
  rank: number,
  seed: number,
): Record<string, NewTensor> {
  const [out, inner, ...kernel] = weight as [number, number, ...number[]];
  const size = kernel.reduce((product, dim) => product * dim, inner);
  return {
    [`${name}.lora_down.weight`]: { shape: [rank, inner, ...kernel], data: values(rank * size, seed) },
    [`${name}.lora_up.weight`]: { shape: [out, rank, ...kernel.map(() => 1)], data: values(out * rank, seed + 1) },
    [`${name}.alpha`]: { shape: [], data: Float32Array.of(rank / 2) },
  };
}

export const flat = (path: string) => path.replaceAll('.', '_');

/** The names that files have for the modules of a UNet. */
export function unetNames(config: UNet2DConditionConfig): DenoiserNames {
  return { folder: 'unet', aliases: ldmAliases(config as Record<string, unknown>) };
}
