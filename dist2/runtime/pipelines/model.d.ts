import type { LoraModel } from '../addons/loras.ts';
import { Cache } from '../cache.ts';
import type { Checkpoint } from '../checkpoints/checkpoint.ts';
import type { ComponentSource } from '../checkpoints/source.ts';
import { type Component, type EncoderName } from '../families/family.ts';
import type { LatentRgb } from '../previews/index.ts';
import { type LatentScaling } from './images.ts';
import { type LazyGraph, type LazyGraphOptions } from './lazyGraph.ts';

type Connect = (name: string, parts: Pick<LazyGraphOptions, 'locate' | 'write'>) => LazyGraph;
/** A model as the runtime holds it: what its files say, and its networks, loaded when a run first needs them. */
export declare class Model implements LoraModel {
  readonly configs: Checkpoint;
  readonly scaling: LatentScaling;
  readonly latentRgb: LatentRgb;
  /** What prompts became, by a key that the family makes of everything it depends on. */
  readonly prompts: Cache<unknown>;
  private readonly connect;
  private readonly networks;
  private shallow;
  private readonly tokenizers;
  constructor(checkpoint: Checkpoint, connect: Connect);
  network(component: Component): LazyGraph;
  /** Where the weights of a component are. @throws RuntimeError `modelUnavailable` */
  source(component: Component): Promise<ComponentSource>;
  /** The outermost layers of the denoiser, as a network of their own. @throws Error where its kind has none */
  shallowDenoiser(): LazyGraph;
  /** What `openTokenizer` of the encoder's kind gives. @throws RuntimeError `modelUnavailable` */
  tokenizer<T>(encoder: EncoderName): Promise<T>;
  private openTokenizer;
}
