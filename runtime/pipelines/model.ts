import type { LoraModel } from '../addons/loras.ts';
import { Cache } from '../cache.ts';
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import { componentLabel } from '../checkpoints/configs.ts';
import type { ComponentSource } from '../checkpoints/source.ts';
import { type Component, type EncoderName, tokenizerOf } from '../families/family.ts';
import type { LatentRgb } from '../previews/index.ts';
import { type LatentScaling, scalingOf } from './images.ts';
import { type LazyGraph, type LazyGraphOptions, unavailable } from './lazyGraph.ts';

/** Cache limit for encoded prompts of each model, in bytes; one prompt takes from 0.2 MB (CLIP) to 8 MB (T5). */
const KEPT_PROMPT_BYTES = 128 * 2 ** 20;

type Connect = (name: string, parts: Pick<LazyGraphOptions, 'locate' | 'write'>) => LazyGraph;

/** A model in the runtime: its file data, and its networks, loaded on first use. */
export class Model implements LoraModel {
  readonly configs: Checkpoint;
  readonly scaling: LatentScaling;
  /** Encoded prompts, by a key that the family builds from everything they depend on. */
  readonly prompts = new Cache<unknown>(KEPT_PROMPT_BYTES, bytesIn);
  private readonly connect: Connect;
  private readonly networks = new Map<Component, LazyGraph>();
  private shallow: LazyGraph | undefined;
  private rgb: Promise<LatentRgb> | undefined;
  private readonly tokenizers = new Map<EncoderName, Promise<unknown>>();

  constructor(checkpoint: Checkpoint, connect: Connect) {
    this.configs = checkpoint;
    this.connect = connect;
    this.scaling = scalingOf(checkpoint.configs.vae, checkpoint);
  }

  network(component: Component): LazyGraph {
    let network = this.networks.get(component);
    if (!network) {
      network = this.connect(componentLabel(this.configs, component), {
        locate: () => this.configs.component(component),
        // Text encoders always have inputs for textual inversions and masks: without them a run is not measurably
        // faster.
        write: ({ config, tensors }, form) =>
          this.configs.family.networks[component]!.write(config, tensors, {
            ...form,
            extraEmbeddings: true,
            attentionMask: true,
          }),
      });
      this.networks.set(component, network);
    }
    return network;
  }

  /** Location of a component's weights. @throws RuntimeError `modelUnavailable` */
  source(component: Component): Promise<ComponentSource> {
    return this.network(component).located();
  }

  /** The outermost layers of the denoiser as a separate network. @throws Error if its kind has none */
  shallowDenoiser(): LazyGraph {
    const { family } = this.configs;
    const { shallow } = family.networks.denoiser;
    if (!shallow) throw new Error(`The ${family.denoiserFolder} has no outermost layers that can run alone.`);
    this.shallow ??= this.connect(`shallow_${family.denoiserFolder}`, {
      locate: async () => {
        const source = await this.configs.component('denoiser');
        if (source.kind === 'onnx' || !shallow.tensors) return source;
        return { ...source, tensors: shallow.tensors(source.tensors) };
      },
      write: ({ config, tensors }, form) => shallow.write(config, tensors, form),
    });
    return this.shallow;
  }

  /** The linear map for previews. @throws RuntimeError `modelUnavailable` */
  latentRgb(): Promise<LatentRgb> {
    this.rgb ??= this.readLatentRgb().catch((error) => {
      this.rgb = undefined;
      throw unavailable(error);
    });
    return this.rgb;
  }

  private async readLatentRgb(): Promise<LatentRgb> {
    const { settings, family, lacksVae } = this.configs;
    if (settings.latentRgbFactors) return { factors: settings.latentRgbFactors, bias: settings.latentRgbBias };
    const { rgb, rgbOf } = family.latents;
    if (!rgbOf || lacksVae) return rgb;
    const source = await this.source('vae_decoder');
    return source.kind === 'safetensors' ? rgbOf(source.tensors) : rgb;
  }

  /** The result of `openTokenizer` of the encoder's kind. @throws RuntimeError `modelUnavailable` */
  tokenizer<T>(encoder: EncoderName): Promise<T> {
    let tokenizer = this.tokenizers.get(encoder);
    if (!tokenizer) {
      tokenizer = this.openTokenizer(encoder).catch((error) => {
        this.tokenizers.delete(encoder);
        throw unavailable(error);
      });
      this.tokenizers.set(encoder, tokenizer);
    }
    return tokenizer as Promise<T>;
  }

  private async openTokenizer(encoder: EncoderName): Promise<unknown> {
    const { family, configs } = this.configs;
    const source = await this.configs.tokenizer(tokenizerOf(encoder));
    return family.networks[encoder]!.openTokenizer(source, configs[encoder]);
  }
}

/** Bytes of all numeric arrays within a value. */
export function bytesIn(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, each) => sum + bytesIn(each), 0);
}
