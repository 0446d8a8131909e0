import { basename } from 'node:path';
import { isPickle, ModelError, pickleReason } from '../files/reading.ts';
import { readSafetensorsHeader, type StoredTensors } from '../files/safetensors.ts';
import type { GraphForm, Written } from '../graphs/builder.ts';
import { compactSizes, writeCompactUpscaler } from '../graphs/compactUpscaler.ts';
import { rrdbSizes, writeRrdbNet } from '../graphs/rrdbNet.ts';
import type { UpscalerSizes } from '../graphs/upscaler.ts';
import type { SafetensorsSource } from './source.ts';

/** A network that enlarges pictures, told by its tensors. */
interface UpscalerKind {
  name: string;
  /** The tensors under the names that `write` knows; undefined if they are not of this kind. */
  named(tensors: StoredTensors): StoredTensors | undefined;
  sizes(tensors: StoredTensors): UpscalerSizes;
  write(tensors: StoredTensors, form?: GraphForm): Written;
}

const kinds: readonly UpscalerKind[] = [
  { name: 'RRDBNet', named: rrdbNames, sizes: rrdbSizes, write: writeRrdbNet },
  {
    name: 'SRVGGNetCompact',
    named: (tensors) =>
      tensors.get('body.0.weight')?.shape.length === 4 && tensors.has('body.1.weight') ? tensors : undefined,
    sizes: compactSizes,
    write: writeCompactUpscaler,
  },
];

/** What training programs put in front of all names. */
const prefixes = ['params_ema.', 'params.', 'state_dict.', 'module.', ''];

/** The older names of Real-ESRGAN's layers; other programs keep them. */
const olderNames: readonly [RegExp, string][] = [
  [/^RRDB_trunk\.(\d+)\.RDB(\d)\./, 'body.$1.rdb$2.'],
  [/^trunk_conv\./, 'conv_body.'],
  [/^upconv(\d)\./, 'conv_up$1.'],
  [/^HRconv\./, 'conv_hr.'],
];

function rrdbNames(tensors: StoredTensors): StoredTensors | undefined {
  if (tensors.has('conv_first.weight')) return renamed(tensors, (name) => withRules(name, olderNames));
  return tensors.has('model.0.weight') && tensors.has('model.1.sub.0.RDB1.conv1.0.weight')
    ? numbered(tensors)
    : undefined;
}

/** The first ESRGAN's: places in a sequence. The last two layers follow those that enlarge. */
function numbered(tensors: StoredTensors): StoredTensors {
  const places = new Set<number>();
  const inner = new Set<number>();
  for (const name of tensors.keys()) {
    const [, place] = /^model\.(\d+)\.(?:weight|bias)$/.exec(name) ?? [];
    if (place !== undefined) places.add(Number(place));
    const [, block] = /^model\.1\.sub\.(\d+)\./.exec(name) ?? [];
    if (block !== undefined) inner.add(Number(block));
  }
  const [, ...after] = [...places].sort((a, b) => a - b);
  const paths = new Map([
    [0, 'conv_first'],
    ...after.map((place, at): [number, string] => [place, layerAt(at, after.length)]),
  ]);
  const trunk = Math.max(...inner);
  return renamed(tensors, (name) => {
    const [, place, what] = /^model\.(\d+)\.(\w+)$/.exec(name) ?? [];
    if (place !== undefined) return `${paths.get(Number(place))}.${what}`;
    if (name.startsWith(`model.1.sub.${trunk}.`)) return name.replace(`model.1.sub.${trunk}.`, 'conv_body.');
    return name.replace(/^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\./, 'body.$1.rdb$2.conv$3.');
  });
}

function layerAt(at: number, count: number): string {
  return at === count - 1 ? 'conv_last' : at === count - 2 ? 'conv_hr' : `conv_up${at + 1}`;
}

function withRules(name: string, rules: readonly [RegExp, string][]): string {
  return rules.reduce((text, [pattern, by]) => text.replace(pattern, by), name);
}

function renamed(tensors: StoredTensors, rename: (name: string) => string): StoredTensors {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}

/** Undefined for tensors that are not of such a network. */
function kindIn(tensors: StoredTensors): { kind: UpscalerKind; named: StoredTensors } | undefined {
  const names = [...tensors.keys()];
  const prefix = prefixes.find((each) => names.every((name) => name.startsWith(each)))!;
  const bare = prefix === '' ? tensors : renamed(tensors, (name) => name.slice(prefix.length));
  for (const kind of kinds) {
    const named = kind.named(bare);
    if (named) return { kind, named };
  }
  return undefined;
}

export function holdsUpscaler(tensors: StoredTensors): boolean {
  return kindIn(tensors) !== undefined;
}

/** The sizes of a network; undefined for other tensors and for a network that cannot be used. */
export function upscalerSizesOf(tensors: StoredTensors): UpscalerSizes | undefined {
  const found = kindIn(tensors);
  try {
    return found?.kind.sizes(found.named);
  } catch {
    return undefined;
  }
}

export interface Upscaler {
  /** Name of the network's architecture. */
  className: string;
  sizes: UpscalerSizes;
  source: SafetensorsSource;
  write(tensors: StoredTensors, form?: GraphForm): Written;
}

/** A file with such a network, checked. @throws {ModelError} saying what is missing or what it is instead */
export async function openUpscaler(file: string): Promise<Upscaler> {
  const name = basename(file);
  if (isPickle(name)) throw new ModelError(`${name} cannot be used: ${pickleReason}`);
  const { tensors } = await readSafetensorsHeader(file);
  const found = kindIn(tensors);
  if (!found) throw new ModelError(`${name} does not hold a network that enlarges pictures.`);
  const { kind, named } = found;
  const sizes = kind.sizes(named);
  kind.write(named);
  return {
    className: kind.name,
    sizes,
    source: { kind: 'safetensors', config: {}, tensors: named },
    write: kind.write,
  };
}
