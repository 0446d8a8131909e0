import { collectLayers, holdsLora, LoraError, type StoredLora } from '../addons/loraLayers.ts';
import type { Architecture } from '../families/family.ts';
import {
  architectureOfEmbedding,
  architectureOfLora,
  architectureOfTextWidth,
  familyOfFile,
  holdsImageEncoder,
  holdsTextEncoder,
  imagePromptKindOfFile,
} from '../families/index.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { holdsUpscaler } from './upscaler.ts';

/** What a folder or file in the models directory is. */
export type Kind =
  | 'checkpoint'
  | 'lora'
  | 'embedding'
  | 'controlNet'
  | 'vae'
  | 'tinyVae'
  | 'ipAdapter'
  | 'upscaler'
  /** Parts of other models; tasks do not name them. */
  | 'textEncoder'
  | 'imageEncoder';

export interface Recognised {
  kind: Kind;
  architecture: Architecture;
  /** Why a file of this kind cannot be used; a sentence. */
  reason?: string;
  /** What of a file that can be used has no effect; a sentence. */
  note?: string;
}

/**
 * What one safetensors file holds, told by the names and shapes in its header.
 *
 * @param file - its name, for complaints
 */
export function recognise(
  file: string,
  tensors: StoredTensors,
  metadata: Readonly<Record<string, string>>,
): Recognised {
  const names = [...tensors.keys()];
  const some = (test: (name: string) => boolean) => names.some(test);
  const starts = (prefix: string) => some((name) => name.startsWith(prefix));
  const unknown = (kind: Kind, reason: string): Recognised => ({
    kind,
    architecture: 'unknown',
    reason: `${file} cannot be used: ${reason}`,
  });
  const withoutConfig = () =>
    unknown(
      'controlNet',
      'it is a ControlNet without its config. Put it into a folder as diffusion_pytorch_model.safetensors, with its config.json beside it.',
    );

  if (starts('input_hint_block.') && starts('controlnet_blocks.')) {
    return unknown(
      'controlNet',
      "it is a ControlNet in XLabs' form, which looks at the guide image through layers of its own; those are not supported. Use one in the diffusers layout that takes the guide image as latents: a folder with config.json and diffusion_pytorch_model.safetensors.",
    );
  }
  // Before the transformer that it is a part of.
  if (starts('controlnet_x_embedder.')) return withoutConfig();
  if (familyOfFile(tensors) || starts('model.diffusion_model.')) return { kind: 'checkpoint', architecture: 'unknown' };
  if (holdsUpscaler(tensors)) return { kind: 'upscaler', architecture: 'unknown' };
  if (holdsLora(tensors)) return lora(file, tensors, metadata);
  if (holdsTextEncoder(tensors)) return { kind: 'textEncoder', architecture: 'unknown' };
  if (holdsImageEncoder(tensors)) return { kind: 'imageEncoder', architecture: 'unknown' };
  const imagePrompt = imagePromptKindOfFile(tensors);
  if (imagePrompt) return { kind: 'ipAdapter', architecture: imagePrompt.architecture };
  if (starts('control_model.')) {
    return unknown(
      'controlNet',
      'it is a ControlNet in the original layout. Use the same ControlNet in the diffusers layout: a folder with config.json and diffusion_pytorch_model.safetensors.',
    );
  }
  if (starts('controlnet_cond_embedding.') || starts('controlnet_down_blocks.')) return withoutConfig();
  if (starts('first_stage_model.decoder.') || tensors.has('decoder.conv_in.weight')) {
    return { kind: 'vae', architecture: 'unknown' };
  }
  if (starts('decoder.layers.') || (tensors.has('1.weight') && tensors.has('3.conv.0.weight'))) {
    return unknown(
      'tinyVae',
      'it is a tiny autoencoder without its config. Use it in the diffusers layout: a folder with config.json and diffusion_pytorch_model.safetensors.',
    );
  }
  const found = embedding(tensors);
  if (found) return notComputable(file, tensors, 'embedding') ?? found;
  if (tensors.has('conv_in.weight') || tensors.has('input_blocks.0.0.weight') || starts('unet.')) {
    return unknown('checkpoint', 'it has only a UNet. A whole model also has text encoders and an autoencoder.');
  }
  return unknown(
    'checkpoint',
    'its tensors are neither those of a Stable Diffusion model in the original layout nor those of a LoRA, an embedding or an autoencoder.',
  );
}

/** Small files are read here and not by onnxruntime, so these are all that may be stored in them. */
function notComputable(file: string, tensors: StoredTensors, kind: Kind): Recognised | undefined {
  for (const [name, { dtype, shape }] of tensors) {
    if (['F32', 'F16', 'BF16'].includes(dtype) || shape.length === 0) continue;
    const reason = `${file} cannot be used: "${name}" is stored as ${dtype}; supported are F32, F16 and BF16.`;
    return { kind, architecture: 'unknown', reason };
  }
  return undefined;
}

function lora(file: string, tensors: StoredTensors, metadata: Readonly<Record<string, string>>): Recognised {
  let stored: StoredLora;
  try {
    stored = collectLayers(tensors, file);
  } catch (error) {
    if (!(error instanceof LoraError)) throw error;
    return { kind: 'lora', architecture: 'unknown', reason: error.message };
  }
  const layers = [...stored.layers].map(([name, { columns }]) => ({ name, columns }));
  const architecture = architectureOfLora(layers, metadata);
  const [unused] = stored.unused;
  if (unused === undefined) return { kind: 'lora', architecture };
  const count = stored.unused.length;
  const which = count === 1 ? `its tensor "${unused}" is` : `${count} of its tensors are (such as "${unused}")`;
  return {
    kind: 'lora',
    architecture,
    note: `${file} can be used, but ${which} not part of a LoRA and ignored.`,
  };
}

/** A textual inversion: vectors [count, width] for new words, for one encoder or for two. */
function embedding(tensors: StoredTensors): Recognised | undefined {
  const isVectors = (name: string) => {
    const { shape } = tensors.get(name) ?? {};
    return (
      shape !== undefined && (shape.length === 1 || (shape.length === 2 && shape[0]! <= 1024)) && shape.at(-1)! > 0
    );
  };
  if (tensors.has('clip_g') || (tensors.has('clip_l') && tensors.size <= 2)) {
    if (![...tensors.keys()].every(isVectors)) return undefined;
    return { kind: 'embedding', architecture: architectureOfEmbedding(tensors) };
  }
  const name = tensors.has('emb_params') ? 'emb_params' : tensors.size === 1 ? [...tensors.keys()][0]! : undefined;
  if (name === undefined || !isVectors(name)) return undefined;
  return { kind: 'embedding', architecture: architectureOfTextWidth(tensors.get(name)!.shape.at(-1)) };
}
