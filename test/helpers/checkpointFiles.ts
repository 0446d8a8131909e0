import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFolder } from './goldens.ts';
import { type Content, readContents, writeSafetensors } from './singleFile.ts';

const zeros = (...shape: number[]): Content => ({
  dtype: 'F32',
  shape,
  bytes: new Uint8Array(shape.reduce((product, size) => product * size, 4)),
});

const weights = 'diffusion_pytorch_model.safetensors';

/** Files of every kind but a whole model. Their weights are zeros or of the tiny models: nothing here is computed with. */
export const parts = {
  /** The way down of the tiny UNet, with a convolution for each skip. */
  async controlNet(folder: string): Promise<string> {
    const unet = await readContents(join(modelFolder('tiny-sd15'), 'unet', weights));
    const tensors = new Map([...unet].filter(([name]) => !/^(up_blocks|conv_out|conv_norm_out)\./.test(name)));
    const widths = [16, 16, 16, 16, 16, 16, 16, 24, 24, 24, 24, 24];
    const layer = (path: string, out: number, into: number, kernel: number) => {
      tensors.set(`${path}.weight`, zeros(out, into, kernel, kernel));
      tensors.set(`${path}.bias`, zeros(out));
    };
    for (const [index, width] of widths.entries()) layer(`controlnet_down_blocks.${index}`, width, width, 1);
    layer('controlnet_mid_block', 24, 24, 1);
    layer('controlnet_cond_embedding.conv_in', 4, 3, 3);
    for (const [index, [from, to]] of [
      [4, 4],
      [4, 8],
      [8, 8],
      [8, 8],
      [8, 8],
      [8, 16],
    ].entries()) {
      layer(`controlnet_cond_embedding.blocks.${index}`, to!, from!, 3);
    }
    layer('controlnet_cond_embedding.conv_out', 16, 16, 3);
    await mkdir(folder);
    const config = {
      _class_name: 'ControlNetModel',
      block_out_channels: [16, 16, 24, 24],
      down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
      layers_per_block: 2,
      attention_head_dim: 4,
      norm_num_groups: 4,
      cross_attention_dim: 768,
      conditioning_embedding_out_channels: [4, 8, 8, 16],
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    await writeSafetensors(join(folder, weights), tensors);
    return join(folder, weights);
  },

  /** Three halvings and doublings, one block each. */
  async tinyVae(folder: string): Promise<string> {
    const tensors = new Map<string, Content>();
    const layer = (path: string, out: number, into: number, bias = true) => {
      tensors.set(`${path}.weight`, zeros(out, into, 3, 3));
      if (bias) tensors.set(`${path}.bias`, zeros(out));
    };
    const block = (path: string) => {
      for (const index of [0, 2, 4]) layer(`${path}.conv.${index}`, 8, 8);
    };
    layer('encoder.layers.0', 8, 3);
    for (const at of [1, 3, 5, 7]) block(`encoder.layers.${at}`);
    for (const at of [2, 4, 6]) layer(`encoder.layers.${at}`, 8, 8, false);
    layer('encoder.layers.8', 4, 8);
    layer('decoder.layers.0', 8, 4);
    for (const at of [2, 5, 8, 11]) block(`decoder.layers.${at}`);
    for (const at of [4, 7, 10]) layer(`decoder.layers.${at}`, 8, 8, false);
    layer('decoder.layers.12', 3, 8);
    await mkdir(folder);
    const config = {
      _class_name: 'AutoencoderTiny',
      encoder_block_out_channels: [8, 8, 8, 8],
      decoder_block_out_channels: [8, 8, 8, 8],
      num_encoder_blocks: [1, 1, 1, 1],
      num_decoder_blocks: [1, 1, 1, 1],
      latent_channels: 4,
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    await writeSafetensors(join(folder, weights), tensors);
    return join(folder, weights);
  },

  /** kohya's names, for cross-attention of the width given. */
  async lora(file: string, width = 768): Promise<string> {
    const path = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0';
    const tensors: [string, Content][] = [];
    for (const [name, into] of [
      ['attn1_to_q', 320],
      ['attn2_to_k', width],
      ['attn2_to_v', width],
    ] as const) {
      tensors.push([`${path}_${name}.alpha`, zeros()]);
      tensors.push([`${path}_${name}.lora_down.weight`, zeros(4, into)]);
      tensors.push([`${path}_${name}.lora_up.weight`, zeros(320, 4)]);
    }
    await writeSafetensors(file, tensors);
    return file;
  },

  async embedding(file: string): Promise<string> {
    await writeSafetensors(file, [['emb_params', zeros(3, 768)]]);
    return file;
  },
};
