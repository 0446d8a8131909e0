import { Cache } from '../cache.ts';
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { writeComponent } from '../checkpoints/component.ts';
import type { Component } from '../checkpoints/configs.ts';
import { shallowTensors, writeShallowUNet } from '../graphs/unet2DCondition.ts';
import { type LatentRgb, latentRgbOfFamily } from '../previews/index.ts';
import type { ClipOutput } from '../text/clip.ts';
import { openTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { type LatentScaling, scalingOf } from './images.ts';
import { type LazyGraph, type LazyGraphOptions, unavailable } from './lazyGraph.ts';

/** Encoded prompts kept for each model; one of SDXL's encoders takes up to 0.4 MB. */
const KEPT_PROMPTS = 64;

type Connect = (name: string, parts: Pick<LazyGraphOptions, 'locate' | 'write'>) => LazyGraph;

/** A model as the runtime holds it: what its files say, and its networks, loaded when a run first needs them. */
export class Model {
  readonly configs: Checkpoint;
  readonly scaling: LatentScaling;
  readonly latentRgb: LatentRgb;
  /** What prompts became, by a key that the pipeline makes of everything it depends on. */
  readonly prompts = new Cache<ClipOutput>(KEPT_PROMPTS);
  private readonly connect: Connect;
  private readonly networks = new Map<Component, LazyGraph>();
  private shallow: LazyGraph | undefined;
  private readonly tokenizers = new Map<string, Promise<Tokenizer>>();

  constructor(checkpoint: Checkpoint, connect: Connect) {
    this.configs = checkpoint;
    this.connect = connect;
    const { vae, settings, family } = checkpoint;
    this.scaling = scalingOf(vae, checkpoint.scalingFactor);
    this.latentRgb = settings.latentRgbFactors
      ? { factors: settings.latentRgbFactors, bias: settings.latentRgbBias }
      : latentRgbOfFamily[family];
  }

  network(component: Component): LazyGraph {
    let network = this.networks.get(component);
    if (!network) {
      network = this.connect(component, {
        locate: () => this.configs.component(component),
        // Text encoders always take textual inversions and masks: a run without them pays less than can be measured.
        write: ({ config, tensors }, form) =>
          writeComponent(component, config, tensors, { ...form, extraEmbeddings: true, attentionMask: true }),
      });
      this.networks.set(component, network);
    }
    return network;
  }

  /** The outermost layers of the UNet, as a network of their own. */
  shallowUNet(): LazyGraph {
    this.shallow ??= this.connect('shallow_unet', {
      locate: async () => {
        const source = await this.configs.component('unet');
        return source.kind === 'onnx' ? source : { ...source, tensors: shallowTensors(source.tensors) };
      },
      write: ({ config, tensors }, form) => writeShallowUNet(config, tensors, form),
    });
    return this.shallow;
  }

  /** `tokenizer` or `tokenizer_2`; rows are as long as the text encoder beside it has positions. */
  tokenizer(name: 'tokenizer' | 'tokenizer_2'): Promise<Tokenizer> {
    let tokenizer = this.tokenizers.get(name);
    if (!tokenizer) {
      tokenizer = this.openTokenizer(name).catch((error) => {
        this.tokenizers.delete(name);
        throw unavailable(error);
      });
      this.tokenizers.set(name, tokenizer);
    }
    return tokenizer;
  }

  private async openTokenizer(name: 'tokenizer' | 'tokenizer_2'): Promise<Tokenizer> {
    const config = name === 'tokenizer' ? this.configs.textEncoder : this.configs.textEncoder2;
    const positions = config.max_position_embeddings;
    const { folder, padToken } = await this.configs.tokenizer(name);
    return openTokenizer(folder, typeof positions === 'number' ? positions : 77, padToken);
  }
}
