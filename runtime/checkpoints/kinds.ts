import { collectLayers, holdsLora, LoraError, type StoredLora } from '../addons/loraLayers.ts';
import type { StoredTensors } from '../files/safetensors.ts';

/** What a folder or file in the models directory is. */
export type Kind = 'checkpoint' | 'lora' | 'embedding' | 'controlNet' | 'vae' | 'tinyVae';

/** The lineage a network belongs to, or fits onto. */
export type Architecture = 'sd1x' | 'sd2x' | 'sdxl' | 'unknown';

/** Channels of the text states that a UNet attends to. */
export function architectureOfWidth(width: unknown): Architecture {
  if (width === 768) return 'sd1x';
  if (width === 1024) return 'sd2x';
  // The refiner sees only the second encoder's 1280 channels.
  if (width === 2048 || width === 1280) return 'sdxl';
  return 'unknown';
}

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

  if (starts('model.diffusion_model.')) return { kind: 'checkpoint', architecture: 'unknown' };
  if (holdsLora(tensors)) return lora(file, tensors, metadata);
  if (starts('control_model.')) {
    return unknown(
      'controlNet',
      'it is a ControlNet in the original layout. Use the same ControlNet in the diffusers layout: a folder with config.json and diffusion_pytorch_model.safetensors.',
    );
  }
  if (starts('controlnet_cond_embedding.') || starts('controlnet_down_blocks.')) {
    return unknown(
      'controlNet',
      'it is a ControlNet without its config. Put it into a folder as diffusion_pytorch_model.safetensors, with its config.json beside it.',
    );
  }
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
    return unknown('checkpoint', 'it holds a UNet alone. A whole model has text encoders and an autoencoder as well.');
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

/** The base model that trainers write into the metadata, for LoRAs whose layers do not show it. */
function statedArchitecture(metadata: Readonly<Record<string, string>>): Architecture {
  const stated = `${metadata['modelspec.architecture'] ?? ''} ${metadata.ss_base_model_version ?? ''}`;
  if (/stable-diffusion-xl|sdxl/.test(stated)) return 'sdxl';
  if (/stable-diffusion-v2|sd_v2/.test(stated)) return 'sd2x';
  if (/stable-diffusion-v1|sd_v1|sd_1/.test(stated)) return 'sd1x';
  return 'unknown';
}

function lora(file: string, tensors: StoredTensors, metadata: Readonly<Record<string, string>>): Recognised {
  let stored: StoredLora;
  try {
    stored = collectLayers(tensors, file);
  } catch (error) {
    if (!(error instanceof LoraError)) throw error;
    return { kind: 'lora', architecture: 'unknown', reason: error.message };
  }
  let architecture: Architecture = 'unknown';
  for (const [name, { columns }] of stored.layers) {
    if (/^(lora|lycoris)_te2_|(^|\.)text_encoder_2\.|^te2\.|clip_g\./.test(name)) architecture = 'sdxl';
    else if (architecture === 'sdxl') continue;
    // What a UNet's attention to the text reads is as wide as the text's states.
    else if (/attn2[._](processor[._])?to_[kv]$/.test(name)) architecture = architectureOfWidth(columns);
    else if (architecture === 'unknown' && /^(lora_te_|(base_model\.model\.)?text_encoder\.).*[qkv]_proj$/.test(name)) {
      architecture = architectureOfWidth(columns);
    }
  }
  if (architecture === 'unknown') architecture = statedArchitecture(metadata);
  const [unused] = stored.unused;
  if (unused === undefined) return { kind: 'lora', architecture };
  const count = stored.unused.length;
  const which = count === 1 ? `its tensor "${unused}" is` : `${count} of its tensors are (such as "${unused}")`;
  return {
    kind: 'lora',
    architecture,
    note: `${file} can be used, but ${which} no part of a LoRA and without effect.`,
  };
}

/** A textual inversion: vectors [count, width] for new words, for one encoder or for the two of SDXL. */
function embedding(tensors: StoredTensors): Recognised | undefined {
  const isVectors = (name: string) => {
    const { shape } = tensors.get(name) ?? {};
    return (
      shape !== undefined && (shape.length === 1 || (shape.length === 2 && shape[0]! <= 1024)) && shape.at(-1)! > 0
    );
  };
  if (tensors.has('clip_g') || (tensors.has('clip_l') && tensors.size <= 2)) {
    if (![...tensors.keys()].every(isVectors)) return undefined;
    return { kind: 'embedding', architecture: tensors.has('clip_g') ? 'sdxl' : 'sd1x' };
  }
  const name = tensors.has('emb_params') ? 'emb_params' : tensors.size === 1 ? [...tensors.keys()][0]! : undefined;
  if (name === undefined || !isVectors(name)) return undefined;
  return { kind: 'embedding', architecture: architectureOfWidth(tensors.get(name)!.shape.at(-1)) };
}
