import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import sharp from 'sharp';
import type { Pixels } from '../../runtime/index.ts';
import { modelsFolder, type Recorded } from './goldens.ts';

export const upscalerNames = ['rrdb-x4', 'rrdb-x2', 'compact-x4', 'compact-x2'] as const;
export type UpscalerName = (typeof upscalerNames)[number];

const fixtures = join(modelsFolder, 'tiny-upscale');

export function upscalerBytes(name: UpscalerName): Buffer {
  return gunzipSync(readFileSync(join(fixtures, `${name}.safetensors.gz`)));
}

/** Writes networks into a folder that is made for them. @returns the folder */
export async function unpackUpscalers(folder: string, names: readonly UpscalerName[] = upscalerNames): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of names) await writeFile(join(folder, `${name}.safetensors`), upscalerBytes(name));
  return folder;
}

/** The bytes of a safetensors file with other names for its tensors; undefined leaves one out. */
export function renamedTensors(bytes: Buffer, rename: (name: string) => string | undefined): Buffer {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, unknown>;
  const named = Object.entries(header).flatMap(([name, value]) => {
    const by = rename(name);
    return by === undefined ? [] : [[by, value]];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(named)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, bytes.subarray(8 + length)]);
}

const older: readonly [RegExp, string][] = [
  [/^body\.(\d+)\.rdb(\d)\./, 'RRDB_trunk.$1.RDB$2.'],
  [/^conv_body\./, 'trunk_conv.'],
  [/^conv_up(\d)\./, 'upconv$1.'],
  [/^conv_hr\./, 'HRconv.'],
];

/** Of a network of two blocks that enlarges twice. */
const oldest: readonly [RegExp, string][] = [
  [/^body\.(\d+)\.rdb(\d)\.conv(\d)\./, 'model.1.sub.$1.RDB$2.conv$3.0.'],
  [/^conv_body\./, 'model.1.sub.2.'],
  [/^conv_first\./, 'model.0.'],
  [/^conv_up1\./, 'model.3.'],
  [/^conv_up2\./, 'model.6.'],
  [/^conv_hr\./, 'model.8.'],
  [/^conv_last\./, 'model.10.'],
];

const by = (rules: readonly [RegExp, string][]) => (name: string) =>
  rules.reduce((text, [pattern, to]) => text.replace(pattern, to), name);

/** How programs name the tensors of ESRGAN's network, from Real-ESRGAN's names. */
export const rrdbLayouts: Record<string, (name: string) => string> = {
  'Real-ESRGAN': (name) => name,
  'Real-ESRGAN in training': (name) => `params_ema.${name}`,
  'the first ESRGAN': by(oldest),
  'BSRGAN and others': by(older),
};

export interface UpscalerCase {
  name: UpscalerName;
  scale: number;
  output: Recorded;
}

/** What PyTorch computed with each network. */
export function readUpscalerCases(): UpscalerCase[] {
  const text = gunzipSync(readFileSync(join(modelsFolder, 'tiny-upscale.json.gz'))).toString('utf8');
  return (JSON.parse(text) as { cases: UpscalerCase[] }).cases;
}

/** The picture of those cases. */
export async function upscalerInput(): Promise<Pixels> {
  const image = sharp(join(fixtures, 'input.png')).removeAlpha().toColourspace('srgb').raw();
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}
