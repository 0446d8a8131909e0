import type { Recorded, TinyModel } from './goldens.ts';
import { readJsonArchive } from './transformerGoldens.ts';

/** What PyTorch computed with one adapter of `tiny-ip-adapter`. */
export interface AdapterGoldens {
  file: string;
  imageEncoder: string;
  image: string;
  scale: number;
  tokens: number;
  imageEmbeds?: Recorded;
  penultimateHiddenStates?: Recorded;
  negativePenultimateHiddenStates?: Recorded;
  imageTokens: Recorded;
  negativeImageTokens: Recorded;
  unetOutput: Recorded;
  picture?: {
    prompt: string;
    negativePrompt: string;
    seed: number;
    steps: number;
    guidanceScale: number;
    width: number;
    height: number;
    scale: number;
    image: string;
  };
}

/** The same for all adapters of one model. */
export interface ModelAdapterGoldens {
  model: TinyModel;
  crossAttentionOrder: [number: number, path: string][];
  files: Record<string, AdapterGoldens>;
  twoAdapters?: { files: string[]; images: string[]; scales: number[]; unetOutput: Recorded };
  oneAdapterTwoImages: { file: string; images: string[]; scale: number; imageTokens: Recorded; unetOutput: Recorded };
  scalePerBlock?: { file: string; image: string; scaleOfEachAttention: Record<string, number>; unetOutput: Recorded };
}

export interface IpAdapterGoldens {
  adapters: Record<'tiny-sd15' | 'tiny-sdxl', ModelAdapterGoldens>;
  /** By the folder of the encoder and the file of the picture. */
  preprocessed: Record<string, Record<string, Recorded>>;
}

export const readIpAdapterGoldens = () => readJsonArchive<IpAdapterGoldens>('tiny-ip-adapter');
