import type { StoredTensors } from '../files/safetensors.ts';
import { type AutoencoderKLConfig, writeVaeDecoder, writeVaeEncoder } from '../graphs/autoencoderKL.ts';
import type { Written } from '../graphs/builder.ts';
import { type ClipTextConfig, type ClipTextForm, writeClipText } from '../graphs/clipText.ts';
import { type UNet2DConditionConfig, type UNetForm, writeUNet2DCondition } from '../graphs/unet2DCondition.ts';
import type { Component } from './configs.ts';

/** Where the weights of a component are. */
export type ComponentSource =
  | { kind: 'onnx'; file: string }
  | { kind: 'safetensors'; tensors: StoredTensors; config: Record<string, unknown> };

/** Weights of which a graph is written here. */
export type SafetensorsSource = Extract<ComponentSource, { kind: 'safetensors' }>;

/**
 * Writes the graph of a component for the weights given.
 *
 * @param form - precision, kind of attention, form of a UNet's `timestep`, and which states a text encoder gives
 */
export function writeComponent(
  component: Component,
  config: Record<string, unknown>,
  tensors: StoredTensors,
  form: UNetForm & ClipTextForm = {},
): Written {
  switch (component) {
    case 'text_encoder':
    case 'text_encoder_2':
      return writeClipText(config as ClipTextConfig, tensors, form);
    case 'unet':
      return writeUNet2DCondition(config as UNet2DConditionConfig, tensors, form);
    case 'vae_encoder':
      return writeVaeEncoder(config as AutoencoderKLConfig, tensors, form);
    case 'vae_decoder':
      return writeVaeDecoder(config as AutoencoderKLConfig, tensors, form);
  }
}
