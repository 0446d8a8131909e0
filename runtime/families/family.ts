import type { Cache } from '../cache.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import type { GraphForm, Written } from '../graphs/builder.ts';
import type { GenerateRequest, ImagePromptRequest, Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { LatentRgb } from '../previews/linear.ts';
import type { Branch, LatentShape, Part, Row } from '../run.ts';
import type { FlowSchedule } from '../schedulers/index.ts';
import type { WeightedEmbedding } from '../text/prompt.ts';
import type { Guidance } from './guidance.ts';

export type Config = Record<string, unknown>;

export const encoderNames = ['text_encoder', 'text_encoder_2', 'text_encoder_3'] as const;
export type EncoderName = (typeof encoderNames)[number];

/** One network of a model. `denoiser` is a UNet or a transformer. */
export type Component = EncoderName | 'denoiser' | 'vae_encoder' | 'vae_decoder';

/** What has a config of its own. */
export const configParts = [...encoderNames, 'denoiser', 'vae', 'scheduler'] as const;
export type ConfigPart = (typeof configParts)[number];

export type TokenizerName = 'tokenizer' | 'tokenizer_2' | 'tokenizer_3';

/** The tokenizer of a text encoder. */
export function tokenizerOf(encoder: EncoderName): TokenizerName {
  return encoder.replace('text_encoder', 'tokenizer') as TokenizerName;
}

/** What a network may be asked for beyond its weights; each family reads what it knows. */
export interface NetworkForm extends GraphForm {
  residuals?: boolean | undefined;
  adapters?: 'none' | 'linear' | 'all' | undefined;
  vectors?: boolean | undefined;
  deep?: boolean | undefined;
  /** The first block of a transformer alone. */
  firstBlock?: boolean | undefined;
  references?: boolean | undefined;
  /** How many IP-Adapters a UNet takes; see `UNetForm`. */
  imageAdapters?: number | undefined;
  /** Dtype and rank of the input `timestep` of a UNet, which exporters write in several ways. */
  timestep?: 'float32' | 'int64' | undefined;
  timestepRank?: 0 | 1 | undefined;
  /** Which states a CLIP text encoder gives. */
  states?: 'all' | 'plain' | 'none' | undefined;
  /** Inputs of a CLIP text encoder for textual inversions and masks. */
  extraEmbeddings?: boolean | undefined;
  attentionMask?: boolean | undefined;
}

/** A kind of network: what its config calls it, and how its graph is written. */
export interface NetworkKind {
  /** `_class_name` or first of `architectures` in its config. */
  readonly classes: readonly string[];
  /** An input without which an exported graph cannot be such a network. */
  readonly input: string;
  write(config: Config, tensors: StoredTensors, form: NetworkForm): Written;
  /** What `write` cannot see of a config or of weights that do not fit. @throws {ModelError} */
  check?(config: Config, tensors: StoredTensors): void;
  /** The outermost layers of a UNet, or the first block of a transformer, as a network of its own over the same weights. */
  readonly shallow?: {
    /** Those of its tensors that the network of its own has; default: all, of which it reads its own. */
    tensors?(tensors: StoredTensors): StoredTensors;
    write(config: Config, tensors: StoredTensors, form: NetworkForm): Written;
  };
}

/** Where the vocabulary of a text encoder is, and what fills its rows. */
export interface TokenizerSource {
  /** Absolute path of the folder with the tokenizer's files; undefined: CLIP's published vocabulary. */
  folder: string | undefined;
  /** The token that fills rows; undefined: what the folder says, else the end of text. */
  padToken: string | undefined;
}

/** A text encoder, and the tokenizer that belongs to it. */
export interface EncoderKind extends NetworkKind {
  /** Words of a vocabulary that comes with the program; absent: none does. */
  readonly publishedWords?: number;
  /** Rows of its token embedding, from its weights. */
  wordsOf(tensors: StoredTensors): number | undefined;
  openTokenizer(source: TokenizerSource, config: Config): Promise<unknown>;
  /**
   * Reads the files of a tokenizer.
   *
   * @returns the highest id of its vocabulary
   * @throws {ModelError} where they are missing, unreadable, or of another kind
   */
  checkTokenizer(folder: string, name: TokenizerName): Promise<number>;
}

/**
 * What a denoiser is given beside the text: noisy latents alone; with a mask and the latents of the masked picture; or with
 * the latents of the picture that it edits, or that controls it.
 */
export type DenoiserInput = 'latents' | 'inpaint' | 'edit';

/** What a model's files say about it, wherever they say it; absent configs are empty objects. */
export interface ModelConfigs {
  readonly family: Family;
  /** `_class_name` of `model_index.json`, or that of the pipeline that a single file fits. */
  readonly className: string;
  readonly index: Config;
  readonly settings: ModelSettings;
  readonly configs: Readonly<Record<ConfigPart, Config>>;
  /** All networks that this model has. */
  readonly components: readonly Component[];
  readonly tokenizers: readonly TokenizerName[];
  /** It has no autoencoder of its own, so each request has to name one. */
  readonly lacksVae: boolean;
  /** It only continues what another model began. */
  readonly refiner: boolean;
  readonly input: DenoiserInput;
  /** Denoised latents are the autoencoder's, minus `shiftFactor`, times this. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Pixels on each side of one position of the latents that are denoised. */
  readonly latentScale: number;
  /** Smallest step of width and height, in pixels. */
  readonly sizeMultiple: number;
  readonly latentChannels: number;
}

/** `latentwire.json` in a model folder, or `<file>.json` beside a single file; every field is optional. */
export interface ModelSettings {
  name?: string;
  description?: string;
  license?: string;
  tags?: string[];
  /** Pixels. */
  defaultWidth?: number;
  defaultHeight?: number;
  defaultSteps?: number;
  defaultGuidanceScale?: number;
  /** Name or AIR of the tiny decoder for previews. */
  tinyDecoder?: string;
  /** One [r, g, b] for each latent channel; scaled latents to RGB in [-1, 1]. */
  latentRgbFactors?: number[][];
  latentRgbBias?: number[];
  /** What the denoiser predicts, where the files do not say it or say it wrongly. */
  predictionType?: PredictionType;
  /** Another autoencoder: a folder with config.json and weights or one file, relative to the settings file. */
  vaePath?: string;
  /** Files of text encoders, relative to the settings file. */
  textEncoderPaths?: string[];
  /** Folders with the files of a tokenizer, relative to the settings file. */
  tokenizerPaths?: Partial<Record<TokenizerName, string>>;
  /** Fields that win over those of the configs, such as `"unet": {"attention_head_dim": 4}`. */
  configs?: Partial<Record<ConfigPart, Config>>;
}

export const predictionTypes = ['epsilon', 'v_prediction', 'sample'] as const;
export type PredictionType = (typeof predictionTypes)[number];

/** What of a model decides which components, sizes and defaults it has, before its `ModelConfigs` are complete. */
export type Facts = Pick<ModelConfigs, 'className' | 'index' | 'configs' | 'refiner'>;

/** The latents that are denoised. */
export interface LatentForm {
  channels: number;
  /** Pixels on each side of one position. */
  scale: number;
  /** Positions on each side of what the denoiser reads as one token; default 1. */
  patch?: number;
}

/** Where a model of the family lies in the lineage that the field names, such as `sd1x`. */
export type Architecture = string;

/** Sizes and numbers that a task gets where it says nothing. */
export interface Defaults {
  /** Pixels. */
  width: number;
  height: number;
  steps: number;
  guidanceScale: number;
  /** How far image-to-image leaves the picture, 0 to 1. */
  strength: number;
}

/**
 * When a run has an unconditional branch: never (models distilled with guidance inside), where `guidanceScale` is above 1 or
 * above 0, or where `trueGuidanceScale` is above 1 and there is a negative prompt.
 */
export type GuidanceRule = 'never' | 'above 1' | 'above 0' | 'true scale';

/** What prompts became. */
export interface Conditioning {
  positive: Branch;
  /** The unconditional branch; absent: no guidance. */
  negative: Branch | undefined;
}

/** A loaded text encoder and its tokenizer. */
export interface OpenEncoder<Tokenizer> {
  name: EncoderName;
  graph: Graph;
  tokenizer: Tokenizer;
  /** Inputs that LoRAs take. */
  shared: Row | undefined;
}

/** What a family may use to read the prompts of a request. */
export interface ConditioningContext {
  configs: ModelConfigs;
  request: GenerateRequest;
  /** Whether there is an unconditional branch. */
  guided: boolean;
  /** @typeParam Tokenizer - what `openTokenizer` of the encoder's kind gives */
  encoder<Tokenizer>(name: EncoderName): Part<OpenEncoder<Tokenizer>>;
  /** The textual inversions of the request, as they were read. */
  embeddings(): Promise<WeightedEmbedding[]>;
  /** What prompts became, by a key of everything it depends on; the key of LoRAs and files is `version`. */
  remembered: Cache<unknown>;
  version: string;
}

/** The rest of what a denoiser is told, for one branch. */
export interface InputContext {
  configs: ModelConfigs;
  request: GenerateRequest;
  shape: LatentShape;
  branch: Branch;
  /** Pictures that the prompt refers to, as latents; none for most requests. */
  references: readonly { latents: Float32Array; shape: LatentShape }[];
}

/** A layer of a LoRA: its name in the file, and the channels that it reads. */
export interface LoraLayerShape {
  name: string;
  columns: number;
}

/** A LoRA's names for one module of a network, and which of its rows they cover. */
export interface LoraAlias {
  /** In dots, as the tensors of the file's own layout have it: `double_blocks.0.img_attn.qkv`. */
  name: string;
  /** The rows of the named module that are the module's own, where the file joined several. */
  rows?: readonly [from: number, to: number] | undefined;
}

/** A text encoder or an autoencoder that people keep in a file of its own, for several models. */
export interface SeparatePart {
  part: EncoderName | 'vae';
  /** What stands before the names of its tensors in an all-in-one file: `text_encoders.t5xxl.transformer.` */
  prefix: string;
  /** What some all-in-one files have there instead. */
  otherPrefixes?: readonly string[];
  /** What people call it: `the text encoder T5 XXL`. */
  title: string;
  /** How published files of it are called, in words: `t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors`. */
  example: string;
  /** Whether a model does without it; default false. */
  optional?: boolean;
  /** Names of files that are looked at before others, where shapes do not tell two families apart. */
  prefers?: RegExp;
  /** Told by names and shapes in the header of a file and, where those do not tell it, by the name of the file. */
  recognises(tensors: StoredTensors, fileName?: string): boolean;
  /** The tensors under the names that an all-in-one file has below the prefix; default: as they are. */
  rename?(tensors: StoredTensors): StoredTensors;
}

/** Tensors and metadata of a single file, or of several that belong together. */
export interface ModelFile {
  /** Absolute path of the file, or of the one with the denoiser. */
  path: string;
  /** In the layout of an all-in-one file, each part below its `prefix`; no required text encoder is missing. */
  tensors: StoredTensors;
  metadata: Readonly<Record<string, string>>;
  settings: ModelSettings;
  /** What the settings say of a part, and where they are, for complaints. */
  corrections(part: ConfigPart): Corrections;
  /** Another autoencoder that the settings name. */
  otherVae(): Promise<PartSource> | undefined;
}

/** What the settings beside a file say of a component. */
export interface Corrections {
  /** Fields that win over derived ones. */
  own: Config;
  /** Where they are, for complaints: `"unet" in dream.safetensors.json`. */
  where: string;
}

/** A component's tensors under their diffusers names, and the config that their shapes stand for. */
export interface PartSource {
  tensors: StoredTensors;
  config: Config;
}

/** What a family reads out of a single file. */
export interface FileParts {
  className: string;
  index: Config;
  refiner?: boolean;
  scheduler: Config;
  parts: Partial<Record<Exclude<ConfigPart, 'scheduler'>, PartSource>>;
}

/** Pictures of a request for `ImagePromptKind.addTo`, and the networks that read them. */
export interface OpenImagePrompt {
  readonly request: ImagePromptRequest;
  /** Tensors of what embeds. */
  readonly tensors: StoredTensors;
  /** Pixels on each side of the square that the encoder is shown. */
  readonly size: number;
  /** The same for the same files and configs. */
  readonly encoderKey: string;
  readonly key: string;
  /** The networks, which are loaded only if they are asked for. */
  encoder(): Part<Graph>;
  embedder(): Part<Graph>;
}

/** What image prompts may use of their surroundings. */
export interface ImagePromptContext {
  /** Tensors of the denoiser; undefined for one that was exported. */
  denoiser: StoredTensors | undefined;
  /** What became of pictures, by a key of everything that it depends on. */
  remembered: Cache<unknown>;
}

/** What reads pictures as prompts: an encoder of pictures, and what turns its states into what the denoiser is told. */
export interface ImagePromptKind {
  /** What people call it. */
  readonly title: string;
  /** `_class_name` in `model_index.json` of a folder with both, `image_encoder` and `image_embedder`; absent: there is none. */
  readonly pipeline?: string;
  /** A file with the latter alone, and the encoder that lies in another one. */
  readonly file: {
    recognises(tensors: StoredTensors): boolean;
    /** Width of the text states that it was made for, where that tells the lineage. */
    textWidth?(tensors: StoredTensors): number | undefined;
    readonly encoder: {
      /** As in `SeparatePart`, for the encoder that a file needs. */
      named(embedder: StoredTensors): { title: string; example: string };
      readonly prefers?: RegExp;
      /** Whether a file holds such an encoder, and where `embedder` is given one that fits it. */
      recognises(tensors: StoredTensors, embedder?: StoredTensors): boolean;
      /** The config that the shapes stand for, `image_size` among it. */
      configOf(tensors: StoredTensors): Config;
    };
  };
  /** The graph from `pixel_values` [batch, 3, size, size] to what the embedder takes. */
  writeEncoder(config: Config, tensors: StoredTensors, form: NetworkForm): Written;
  /** The graph from that to what the denoiser is told. */
  writeEmbedder(config: Config, tensors: StoredTensors, form: NetworkForm): Written;
  /** @throws {ModelError} where the two do not fit each other */
  check(encoder: StoredTensors, embedder: StoredTensors): void;
  /** Whether the denoiser has inputs for each of them, and a request may say more than a weight. */
  readonly adaptsDenoiser: boolean;
  /** Adds pictures to what prompts became. @throws RuntimeError `invalidParameter` (`imagePrompts`) where one does not fit */
  addTo(
    conditioning: Conditioning,
    prompts: readonly OpenImagePrompt[],
    context: ImagePromptContext,
  ): Part<Conditioning>;
}

/**
 * Everything about one family of models. Nothing else in the runtime knows a family by name; adding one adds a file here, its
 * networks in `graphs/`, and a line in the registry.
 */
export interface Family {
  /** What descriptions say. */
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  /** Values of `_class_name` in `model_index.json` that it runs. */
  readonly pipelines: readonly string[];
  /** Folder of the denoiser in the diffusers layout. */
  readonly denoiserFolder: 'unet' | 'transformer';
  readonly networks: {
    readonly denoiser: NetworkKind;
    readonly vae_encoder: NetworkKind;
    readonly vae_decoder: NetworkKind;
    readonly controlNet?: NetworkKind;
    readonly text_encoder?: EncoderKind;
    readonly text_encoder_2?: EncoderKind;
    readonly text_encoder_3?: EncoderKind;
  };
  /** The text encoders of a model. `has` tells whether the model's files name one. */
  encoders(facts: Facts, has: (encoder: EncoderName) => boolean): readonly EncoderName[];
  /** Whether the model only continues what another one began. */
  isRefiner?(index: Config): boolean;
  /** Every lineage that `architecture` may tell. */
  readonly architectures: readonly Architecture[];
  architecture(configs: ModelConfigs): Architecture;
  /** The same for a LoRA, an embedding or a ControlNet, from the width of the text states that it was made for. */
  architectureOfTextWidth?(width: unknown): Architecture | undefined;
  defaults(configs: ModelConfigs): Defaults;
  latents: {
    /** Of the autoencoder; used only where the model's own configs do not say it. */
    readonly scalingFactor: number;
    readonly shiftFactor: number;
    readonly rgb: LatentRgb;
    /** The same for one autoencoder, where its weights tell more. */
    rgbOf?(vae: StoredTensors): Promise<LatentRgb>;
    /** Default: as the autoencoder has them, each position of which is a token. */
    shape?(configs: Facts['configs']): LatentForm;
  };
  input(facts: Pick<Facts, 'configs'>): DenoiserInput;

  /** Reads the prompts. */
  condition(context: ConditioningContext): Part<Conditioning>;
  /** When a request has an unconditional branch. */
  guidanceRule(facts: Pick<Facts, 'configs' | 'index'>): GuidanceRule;
  /** How the predictions of the branches become one. Default: classifier-free guidance by the scale of the request. */
  guidance?(conditioning: Conditioning, request: GenerateRequest, configs: ModelConfigs): Guidance;
  /** Whether its guidance takes `guidanceNormalization` and `guidanceTruncation`; default false. */
  readonly limitsGuidance?: boolean;
  /** What flow-matching models know of the sigmas of a run; the task's `shift` is added to it. */
  sigmas?(configs: ModelConfigs, request: GenerateRequest): FlowSchedule;
  /** The denoiser's timestep input, by the scheduler's timestep; default: the same. */
  timestep?(timestep: number): number;
  /** What becomes of a step that the strength of image-to-image covers in part; default `dropped`. See `firstCall`. */
  readonly partialStep?: 'dropped' | 'run';
  /** Inputs of the denoiser beside latents, time and text. */
  inputs?(context: InputContext): Row;
  /** Channels that stand behind the latents of a model that takes `inpaint`. Default: mask, then latents of the masked picture. */
  hiddenChannels?(masked: Float32Array, mask: Uint8Array, width: number, shape: LatentShape): Float32Array;
  /**
   * Whether inpainting leaves the pixels that the mask keeps as they are; default true. False: they come through the
   * autoencoder like all others, as diffusers' pipelines of the family give them.
   */
  readonly keepsPixels?: boolean;
  /** Where inpainting changes latents, 0 to 1, from a byte for each pixel. Default: the mean over the pixels of a position. */
  latentMask?(mask: Uint8Array, width: number, shape: LatentShape): Float32Array;
  /** What reads pictures as prompts; absent: nothing does. */
  readonly imagePrompts?: ImagePromptKind;
  /** How its ControlNets are called; default: with the guide image in pixels, and told what the denoiser is. */
  readonly controls?: {
    /** The guide image is shown as latents, of which a sample is drawn before all others. */
    readonly inLatents: boolean;
    /**
     * What it is told beside latents, time and text.
     *
     * @param mode - what the guide image is, of a union of several ControlNets
     * @param config - the ControlNet's own
     */
    inputs(context: InputContext, mode: number | undefined, config: Config): Row;
  };
  /**
   * Models that take `inpaint`: whether a sample of the seed image is drawn even where none is used. The draw advances the
   * random generator, so it changes the noise that follows. Default false.
   */
  readonly drawsHiddenPicture?: boolean;
  /**
   * Models that take `edit`: whether the denoiser is shown a scaled sample of the picture's latents. Default: their mean,
   * unscaled.
   */
  readonly showsSample?: boolean;
  /** Most reference pictures that a prompt may refer to; default 0. */
  readonly mostReferences?: number;
  /** Pixels of a reference picture; larger ones are scaled down before they come here. Default: any number. */
  readonly mostReferencePixels?: number;
  /** Most tokens of a prompt; default: prompts are read in chunks of any number. */
  readonly mostTextTokens?: number;
  /** A reference picture of the size at which the denoiser is shown it; default: as it is. */
  prepareReference?(picture: Pixels, configs: ModelConfigs): Pixels;

  /** What else tasks may add to it. */
  readonly takes: {
    loras: boolean;
    controlNets: boolean;
    deepCache: boolean;
    firstBlockCache: boolean;
    embeddings: boolean;
    clipSkip: boolean;
  };
  /** Told by the layers of a LoRA; undefined where they fit another family as well. */
  architectureOfLora?(layers: readonly LoraLayerShape[]): Architecture | undefined;
  /** What trainers write into a LoRA's metadata. */
  readonly statedAs?: readonly (readonly [RegExp, Architecture])[];
  /** A tensor of textual inversions that only this family reads. */
  readonly embeddingTensor?: string;
  /** Names of LoRA layers beside the paths of the denoiser's own modules. */
  loraAliases?(config: Config): (path: string) => readonly LoraAlias[];

  /** Its single files, and files that hold a part of it. */
  readonly file?: {
    /** Whether the tensors of an all-in-one file hold its denoiser. */
    recognises(tensors: StoredTensors): boolean;
    read(file: ModelFile): Promise<FileParts>;
    /** What may lie in files of its own beside that of the denoiser; default: nothing. */
    readonly parts?: readonly SeparatePart[];
    /** What pads the rows of a tokenizer that comes with no settings. */
    padToken?(parts: FileParts, tokenizer: TokenizerName): string;
  };
}
