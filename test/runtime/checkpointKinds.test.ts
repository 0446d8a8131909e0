import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { openPart } from '../../runtime/checkpoints/part.ts';
import { parts } from '../helpers/checkpointFiles.ts';
import { componentErrors } from '../helpers/components.ts';
import { modelFolder, readGoldens } from '../helpers/goldens.ts';
import { type Content, halved, readContents, writeGoldenSingleFile, writeSafetensors } from '../helpers/singleFile.ts';

let scratch: string;
let made = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-kinds-'));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

const newPath = (ending = '') => join(scratch, `${made++}${ending}`);
const zeros = (...shape: number[]): Content => ({
  dtype: 'F16',
  shape,
  bytes: new Uint8Array(shape.reduce((product, size) => product * size, 2)),
});

const attended = 'down_blocks.0.attentions.0.transformer_blocks.0.attn2';

async function copyOf(model: 'tiny-sd15' | 'tiny-sdxl'): Promise<string> {
  const folder = newPath();
  await cp(modelFolder(model), folder, { recursive: true });
  return folder;
}

async function rewriteJson(file: string, change: Record<string, unknown>): Promise<void> {
  const before = await readFile(file, 'utf8').catch(() => '{}');
  await writeFile(file, JSON.stringify({ ...JSON.parse(before), ...change }));
}

const unetWeights = 'unet/diffusion_pytorch_model.safetensors';

describe('what a path holds is told by its names and shapes', () => {
  test('a ControlNet and a tiny autoencoder, as folders', async () => {
    const [control, tiny] = [newPath(), newPath()];
    await parts.controlNet(control);
    await parts.tinyVae(tiny);
    const described = await describeModel(control);
    expect(described.reason).toBeUndefined();
    expect(described).toMatchObject({
      kind: 'controlNet',
      architecture: 'sd1x',
      className: 'ControlNetModel',
      available: true,
      precision: 'float32',
    });
    expect(described.sizeBytes).toBeGreaterThan(100_000);
    expect(await describeModel(tiny)).toMatchObject({ kind: 'tinyVae', architecture: 'unknown', available: true });
    expect((await openPart(control, 'controlNet')).tensors.has('controlnet_mid_block.weight')).toBe(true);
    await expect(openPart(tiny, 'controlNet')).rejects.toThrow(
      /config\.json says AutoencoderTiny; expected ControlNetModel or FluxControlNetModel\.$/,
    );
  });

  test('an autoencoder, as a folder and as one file in either layout', async () => {
    const folder = join(modelFolder('tiny-sdxl'), 'vae');
    expect(await describeModel(folder)).toMatchObject({
      kind: 'vae',
      architecture: 'sdxl',
      available: true,
      name: 'vae',
    });
    const settings = JSON.stringify({ vae: { norm_num_groups: 4 }, name: 'Clearer' });

    const renamed = newPath('.safetensors');
    await cp(join(folder, 'diffusion_pytorch_model.safetensors'), renamed);
    await writeFile(`${renamed}.json`, settings);
    const original = newPath('.safetensors');
    const whole = newPath('.safetensors');
    await writeGoldenSingleFile('tiny-sdxl', whole);
    const tensors = [...(await readContents(whole))].flatMap(([name, content]) =>
      name.startsWith('first_stage_model.') ? [[name.replace('first_stage_model.', ''), content] as const] : [],
    );
    await writeSafetensors(original, tensors);
    await writeFile(`${original}.json`, settings);
    const expected = await openPart(folder, 'vae');
    for (const file of [renamed, original]) {
      expect(await describeModel(file)).toMatchObject({ kind: 'vae', available: true, name: 'Clearer' });
      const part = await openPart(file, 'vae');
      expect([...part.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
    }
    await expect(openPart(whole, 'vae')).rejects.toThrow(/holds a checkpoint, but a vae is needed here/);
  });

  test.each<[string, [string, Content][], object]>([
    ['kohya, SD 1', [], { kind: 'lora', architecture: 'sd1x', available: true }],
    [
      'PEFT, SD 2',
      [
        ['unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight', zeros(8, 1024)],
        ['unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight', zeros(1280, 8)],
      ],
      { kind: 'lora', architecture: 'sd2x', available: true },
    ],
    [
      'diffusers, SD XL',
      [
        ['unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.lora.down.weight', zeros(8, 2048)],
        ['unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.lora.up.weight', zeros(1280, 8)],
      ],
      { kind: 'lora', architecture: 'sdxl', available: true },
    ],
    [
      'kohya, the text encoder alone',
      [
        ['lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight', zeros(8, 768)],
        ['lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight', zeros(768, 8)],
      ],
      { kind: 'lora', architecture: 'sd1x', available: true },
    ],
    [
      'ranks that differ',
      [
        ['unet.conv_in.lora_A.weight', zeros(8, 4, 3, 3)],
        ['unet.conv_in.lora_B.weight', zeros(320, 4, 1, 1)],
      ],
      {
        kind: 'lora',
        available: false,
        reason: expect.stringMatching(/"unet\.conv_in" is not of low rank, as .*\[8, 4, 3, 3\] and \[320, 4, 1, 1\]/),
      },
    ],
    ...(
      [
        [
          'with matrices in the attention processor',
          ['processor.to_k_lora.down.weight', 'processor.to_k_lora.up.weight'],
        ],
        ['of PEFT', ['to_k.lora_A.weight', 'to_k.lora_B.weight']],
        ['of PEFT with a named adapter', ['to_k.lora_A.default_0.weight', 'to_k.lora_B.default_0.weight']],
        ['of PEFT with a hyphen in its name', ['to_k.lora_A.my-style.weight', 'to_k.lora_B.my-style.weight']],
        ['of diffusers', ['to_k.lora.down.weight', 'to_k.lora.up.weight']],
        ['of diffusers for text', ['to_k.lora_linear_layer.down.weight', 'to_k.lora_linear_layer.up.weight']],
        ['of kohya with dots', ['to_k.lora_down.weight', 'to_k.lora_up.weight']],
      ] as const
    ).map(([what, [down, up]]): [string, [string, Content][], object] => [
      what,
      [
        [`unet.${attended}.${down}`, zeros(8, 768)],
        [`unet.${attended}.${up}`, zeros(320, 8)],
      ],
      { kind: 'lora', available: true, architecture: 'sd1x' },
    ]),
    [
      'DoRA',
      [
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.lora_down.weight`, zeros(8, 1024)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.lora_up.weight`, zeros(320, 8)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.dora_scale`, zeros(320, 1)],
      ],
      { kind: 'lora', available: true, architecture: 'sd2x' },
    ],
    [
      'LoHa',
      [
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.hada_w1_a`, zeros(320, 4)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.hada_w1_b`, zeros(4, 2048)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.hada_w2_a`, zeros(320, 4)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_k.hada_w2_b`, zeros(4, 2048)],
      ],
      { kind: 'lora', available: true, architecture: 'sdxl' },
    ],
    [
      'LoKr',
      [
        [`lora_unet_${attended.replaceAll('.', '_')}_to_v.lokr_w1`, zeros(4, 8)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_v.lokr_w2_a`, zeros(80, 4)],
        [`lora_unet_${attended.replaceAll('.', '_')}_to_v.lokr_w2_b`, zeros(4, 96)],
      ],
      { kind: 'lora', available: true, architecture: 'sd1x' },
    ],
    [
      'half a LoHa',
      [['lora_unet_mid_block_attentions_0_proj_in.hada_w1_a', zeros(8, 4)]],
      { kind: 'lora', available: false, reason: expect.stringMatching(/lacks one of its matrices \(hada_w1_a/) },
    ],
    [
      'OFT',
      [['lora_unet_mid_block_attentions_0_proj_in.oft_blocks', zeros(8, 4, 4)]],
      { kind: 'lora', available: false, reason: expect.stringMatching(/it is an OFT .*supported are LoRA, LoCon/) },
    ],
    [
      'with tensors that mean nothing here',
      [
        [`unet.${attended}.to_k.lora_A.weight`, zeros(8, 768)],
        [`unet.${attended}.to_k.lora_B.weight`, zeros(320, 8)],
        ['position_ids', { dtype: 'I64', shape: [1, 77], bytes: new Uint8Array(616) }],
        ['lora_te_text_model_encoder_layers_0_mlp_fc1.alpha', zeros()],
      ],
      {
        kind: 'lora',
        available: true,
        architecture: 'sd1x',
        reason: expect.stringMatching(/its tensor "position_ids" is not part of a LoRA and ignored\.$/),
      },
    ],
    [
      'whose matrices are whole numbers',
      [
        [`unet.${attended}.to_k.lora_A.weight`, { dtype: 'I8', shape: [8, 768], bytes: new Uint8Array(8 * 768) }],
        [`unet.${attended}.to_k.lora_B.weight`, zeros(320, 8)],
      ],
      { kind: 'lora', available: false, reason: expect.stringMatching(/is stored as I8 \(down, \[8, 768\]\)/) },
    ],
  ])('a LoRA: %s', async (_what, tensors, expected) => {
    const file = newPath('.safetensors');
    if (tensors.length > 0) await writeSafetensors(file, tensors);
    else await parts.lora(file);
    expect(await describeModel(file)).toMatchObject(expected);
  });

  test('a LoRA whose layers do not show the width says in its metadata what it was made for', async () => {
    const file = newPath('.safetensors');
    const tensors: [string, Content][] = [
      ['lora_unet_mid_block_attentions_0_proj_in.lora_down.weight', zeros(8, 1280)],
      ['lora_unet_mid_block_attentions_0_proj_in.lora_up.weight', zeros(1280, 8)],
    ];
    for (const [metadata, architecture] of [
      [{}, 'unknown'],
      [{ 'modelspec.architecture': 'stable-diffusion-xl-v1-base/lora', 'modelspec.title': 'Ink' }, 'sdxl'],
      [{ ss_base_model_version: 'sd_v1' }, 'sd1x'],
    ] as const) {
      await writeSafetensors(file, tensors, metadata);
      expect(await describeModel(file)).toMatchObject({ kind: 'lora', architecture, available: true });
    }
  });

  test.each<[string, [string, Content][], object]>([
    ['of one encoder', [['emb_params', zeros(4, 768)]], { architecture: 'sd1x' }],
    ['named by its word', [['<cat-toy>', zeros(1, 1024)]], { architecture: 'sd2x' }],
    ['one vector', [['word', zeros(768)]], { architecture: 'sd1x' }],
    [
      'of both encoders of XL',
      [
        ['clip_l', zeros(4, 768)],
        ['clip_g', zeros(4, 1280)],
      ],
      { architecture: 'sdxl' },
    ],
  ])('an embedding %s', async (_what, tensors, expected) => {
    const file = newPath('.safetensors');
    await writeSafetensors(file, tensors);
    expect(await describeModel(file)).toMatchObject({
      kind: 'embedding',
      available: true,
      precision: 'float16',
      ...expected,
    });
  });

  test.each<[string, string, [string, Content][], RegExp]>([
    [
      'a ControlNet in the original layout',
      'controlNet',
      [['control_model.input_blocks.0.0.weight', zeros(1)]],
      /Use .* diffusers layout/,
    ],
    [
      'a ControlNet without its config',
      'controlNet',
      [['controlnet_cond_embedding.conv_in.weight', zeros(1)]],
      /with its config\.json beside it/,
    ],
    ['a tiny autoencoder without its config', 'tinyVae', [['decoder.layers.0.weight', zeros(1)]], /diffusers layout/],
    [
      'a UNet alone',
      'checkpoint',
      [
        ['conv_in.weight', zeros(1)],
        ['x', zeros(1)],
      ],
      /it has only a UNet/,
    ],
    [
      'anything else',
      'checkpoint',
      [
        ['a', zeros(1, 1, 1)],
        ['b', zeros(1)],
      ],
      /neither those of a Stable Diffusion model/,
    ],
    ['nothing', 'checkpoint', [], /neither those of a Stable Diffusion model/],
  ])('%s is refused, with what to do', async (_what, kind, tensors, reason) => {
    const file = newPath('.safetensors');
    await writeSafetensors(file, tensors);
    const description = await describeModel(file);
    expect(description).toMatchObject({ kind, available: false });
    expect(description.reason).toMatch(reason);
  });

  test('pickled weights are refused, as a file and as all that a folder has', async () => {
    for (const name of ['model.ckpt', 'model.bin', 'model.pt', 'model.pth']) {
      const file = newPath(name);
      await writeFile(file, 'PK');
      expect((await describeModel(file)).reason).toMatch(
        /pickled weights are refused, because opening them can run code/,
      );
      await expect(openCheckpoint(file)).rejects.toThrow(/pickled weights/);
      await expect(openPart(file, 'vae')).rejects.toThrow(/pickled weights/);
    }
    const folder = newPath();
    await mkdir(folder);
    await writeFile(join(folder, 'model.ckpt'), 'PK');
    expect((await describeModel(folder)).reason).toMatch(/model\.ckpt cannot be used: pickled weights are refused/);
    await writeFile(join(folder, 'config.json'), '{"_class_name":"ControlNetModel"}');
    await rm(join(folder, 'model.ckpt'));
    await writeFile(join(folder, 'diffusion_pytorch_model.bin'), 'PK');
    expect(await describeModel(folder)).toMatchObject({
      kind: 'controlNet',
      reason: expect.stringMatching(/has only .*diffusion_pytorch_model\.bin: pickled weights/),
    });
  });

  test('paths that are nothing are described all the same', async () => {
    expect((await describeModel(join(scratch, 'none'))).reason).toMatch(/^There is no folder or file/);
    const folder = newPath('.safetensors');
    await mkdir(folder);
    expect((await describeModel(folder)).reason).toMatch(/no model_index\.json/);
    await writeFile(join(folder, 'config.json'), '{"_class_name":"Transformer2DModel"}');
    expect((await describeModel(folder)).reason).toMatch(
      /says Transformer2DModel; a folder .* must hold one of: ControlNetModel/,
    );
  });
});

describe('a folder', () => {
  test.each(['fp16', 'bf16', 'ema'])('may hold only a variant of its weights: %s', async (variant) => {
    const folder = await copyOf('tiny-sd15');
    const dtype = variant === 'bf16' ? 'BF16' : 'F16';
    for (const [part, stem] of [
      ['unet', 'diffusion_pytorch_model'],
      ['vae', 'diffusion_pytorch_model'],
      ['text_encoder', 'model'],
    ] as const) {
      const file = join(folder, part, `${stem}.safetensors`);
      const tensors = await readContents(file);
      await rm(file);
      await writeSafetensors(
        join(folder, part, `${stem}.${variant}.safetensors`),
        [...tensors].map(([name, content]) => [name, halved(content, dtype)] as const),
      );
    }
    expect(await describeModel(folder)).toMatchObject({
      available: true,
      precision: variant === 'bf16' ? 'bfloat16' : 'float16',
    });
    const errors = await componentErrors(folder, readGoldens('tiny-sd15'));
    for (const error of Object.values(errors)) expect(error).toBeLessThan(variant === 'bf16' ? 1e-1 : 2e-2);
  });

  test('with several variants and no plain weights needs one of them to be half precision', async () => {
    const folder = await copyOf('tiny-sd15');
    const weights = join(folder, unetWeights);
    for (const variant of ['ema', 'non_ema']) await cp(weights, weights.replace('.safe', `.${variant}.safe`));
    expect(await describeModel(folder)).toMatchObject({ available: true });
    await rm(weights);
    expect((await describeModel(folder)).reason).toMatch(/^The unet has only variants \(ema, non_ema\)/);
    await cp(weights.replace('.safe', '.ema.safe'), weights.replace('.safe', '.fp16.safe'));
    expect(await describeModel(folder)).toMatchObject({ available: true });
  });

  test.each([
    'diffusion_pytorch_model.safetensors.index.json',
    'diffusion_pytorch_model.safetensors.index.fp16.json',
    'diffusion_pytorch_model.safetensors.fp16.index.json',
    'diffusion_pytorch_model.fp16.safetensors.index.json',
  ])('may hold its weights in shards: %s', async (index) => {
    const folder = await copyOf('tiny-sd15');
    const tensors = [...(await readContents(join(folder, unetWeights)))];
    await rm(join(folder, unetWeights));
    const map: Record<string, string> = {};
    for (const shard of [0, 1, 2]) {
      const name = `diffusion_pytorch_model-0000${shard + 1}-of-00003.safetensors`;
      const held = tensors.filter((_, i) => i % 3 === shard);
      for (const [tensor] of held) map[tensor] = name;
      await writeSafetensors(join(folder, 'unet', name), held);
    }
    await writeFile(join(folder, 'unet', index), JSON.stringify({ metadata: {}, weight_map: map }));
    expect(await describeModel(folder)).toMatchObject({ available: true, precision: 'float32' });
    expect((await componentErrors(folder, readGoldens('tiny-sd15'))).unet).toBeLessThan(1e-4);
    const [first] = tensors;
    await writeFile(
      join(folder, 'unet', index),
      JSON.stringify({ weight_map: { ...map, [first![0]]: '../../a.safetensors' } }),
    );
    expect((await describeModel(folder)).reason).toMatch(/names a shard that is not a safetensors file beside it/);
  });

  test('may name an autoencoder and a tokenizer that lie elsewhere', async () => {
    const folder = await copyOf('tiny-sd15');
    const other = newPath();
    await cp(join(folder, 'vae'), other, { recursive: true });
    await rewriteJson(join(other, 'config.json'), { scaling_factor: 0.5 });
    await cp(join(folder, 'tokenizer'), join(other, 'words'), { recursive: true });
    await rm(join(folder, 'vae'), { recursive: true });
    await rm(join(folder, 'tokenizer'), { recursive: true });
    expect(await describeModel(folder)).toMatchObject({ available: false });
    const beside = `../${other.slice(scratch.length + 1)}`;
    await writeFile(join(folder, 'latentwire.json'), JSON.stringify({ vae: beside, tokenizer: `${beside}/words` }));
    expect(await describeModel(folder)).toMatchObject({ available: true });
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.scalingFactor).toBe(0.5);
    expect((await checkpoint.tokenizer('tokenizer')).folder).toBe(join(other, 'words'));
    expect((await componentErrors(folder, readGoldens('tiny-sd15'))).vae_decoder).toBeLessThan(1e-4);
    await rm(other, { recursive: true });
    expect((await describeModel(folder)).reason).toMatch(/^The vae cannot be used/);
  });

  test.each([
    ['StableDiffusionInpaintPipeline', 9, 'inpaint'],
    ['StableDiffusionInstructPix2PixPipeline', 8, 'edit'],
    ['StableDiffusionControlNetPipeline', 4, 'latents'],
  ] as const)('may be for another task: %s', async (className, channels, input) => {
    const folder = await copyOf('tiny-sd15');
    await rewriteJson(join(folder, 'model_index.json'), {
      _class_name: className,
      safety_checker: [null, null],
      controlnet: ['diffusers', 'ControlNetModel'],
    });
    await rewriteJson(join(folder, 'unet/config.json'), { in_channels: channels });
    const tensors = await readContents(join(folder, unetWeights));
    tensors.set('conv_in.weight', zeros(16, channels, 3, 3));
    await writeSafetensors(join(folder, unetWeights), tensors);
    expect(await describeModel(folder)).toMatchObject({
      className,
      family: 'sd',
      available: true,
      architecture: 'sd1x',
    });
    expect((await openCheckpoint(folder)).input).toBe(input);
  });

  test('may be an XL refiner, without the first text encoder', async () => {
    const folder = await copyOf('tiny-sdxl');
    await rm(join(folder, 'text_encoder'), { recursive: true });
    await rm(join(folder, 'tokenizer'), { recursive: true });
    expect((await describeModel(folder)).reason).toMatch(/^The text_encoder is missing/);
    await rewriteJson(join(folder, 'model_index.json'), {
      _class_name: 'StableDiffusionXLImg2ImgPipeline',
      requires_aesthetics_score: true,
      text_encoder: [null, null],
      tokenizer: [null, null],
    });
    expect(await describeModel(folder)).toMatchObject({ available: true, refiner: true, architecture: 'sdxl' });
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.components).toEqual(['text_encoder_2', 'denoiser', 'vae_encoder', 'vae_decoder']);
    expect(checkpoint.tokenizers).toEqual(['tokenizer_2']);
  });

  test('may be corrected in what its UNet predicts', async () => {
    const folder = await copyOf('tiny-sd15');
    await writeFile(join(folder, 'latentwire.json'), '{"predictionType":"v_prediction"}');
    expect((await openCheckpoint(folder)).configs.scheduler).toMatchObject({
      _class_name: 'DDIMScheduler',
      prediction_type: 'v_prediction',
    });
  });
});
