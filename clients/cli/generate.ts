import path from 'node:path';
import type { ControlNetInput, ImageResult, IpAdapterInput } from '../typescript/index.ts';
import { definedOnly, formatOf, readImage, writeResults } from './pictures.ts';
import { serverOptions, serverOptionsHelp, withServer } from './server.ts';
import { readArguments, readNumber, UsageError } from './usage.ts';

export const generateHelp = `Usage: latentwire generate PROMPT [options]

Generates a picture, writes it to a file, and prints only the path of the file to stdout. Uses the running server, or
starts one for this call. Ctrl-C cancels.

Options:
  -o, --output FILE    Output file: .png, .jpg or .webp. Default: a .png named after prompt and seed
  --negative TEXT      The negative prompt
  --model AIR          Default: the server's
  --width PIXELS       Default: the model's, or that of the first --reference
  --height PIXELS      The same
  --steps COUNT        Default: the model's
  --guidance NUMBER    How closely to follow the prompt. Default: the model's
  --scheduler NAME     Default: the model's
  --seed NUMBER        The same seed gives the same picture. Default: random
  --count COUNT        Pictures with the same settings and different seeds. Default: 1
  --seed-image FILE    The picture to start from: a file, a URL, or the UUID of an image of the server
  --strength NUMBER    How much to change the seed image, 0 to 1. Default: the model's
  --mask FILE          With a seed image: white parts change, black parts stay. A file, a URL or a UUID, as above
  --reference FILE     A reference picture, for models that take them. May be given more than once
  --lora NAME[:WEIGHT]          A LoRA of the server, by AIR or name. Default weight: 1. May be given more than once
  --embedding NAME[:WEIGHT]     A textual inversion, likewise
  --control NAME=FILE[:WEIGHT]  A ControlNet and its guide image (a file, a URL or a UUID), likewise
  --image-prompt NAME=FILE[:WEIGHT]  An image prompt model (IP-Adapter) and its picture, likewise
  --vae NAME           An autoencoder to use instead of the model's
  --prompt-weighting SYNTAX     compel or sdEmbeds: weights of words within the prompt, such as (red:1.3)
  --deep-cache STEPS   Run the whole network only every so many steps, such as 2 or 3: faster, with a slightly different picture
${serverOptionsHelp}
`;

const options = {
  ...serverOptions,
  output: { type: 'string', short: 'o' },
  negative: { type: 'string' },
  model: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  steps: { type: 'string' },
  guidance: { type: 'string' },
  scheduler: { type: 'string' },
  seed: { type: 'string' },
  count: { type: 'string' },
  'seed-image': { type: 'string' },
  strength: { type: 'string' },
  mask: { type: 'string' },
  reference: { type: 'string', multiple: true },
  lora: { type: 'string', multiple: true },
  embedding: { type: 'string', multiple: true },
  control: { type: 'string', multiple: true },
  'image-prompt': { type: 'string', multiple: true },
  vae: { type: 'string' },
  'prompt-weighting': { type: 'string' },
  'deep-cache': { type: 'string' },
} as const;

export async function generate(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('generate', args, options);
  const prompt = positionals.join(' ').trim();
  if (prompt === '') throw new UsageError('A prompt is missing: latentwire generate "a red potion".');
  const { extension, outputFormat } = formatOf(values.output);
  if (values.seed !== undefined && !/^\d+$/.test(values.seed)) throw new UsageError('--seed takes a whole number.');
  const numbers = {
    width: readNumber('width', values.width),
    height: readNumber('height', values.height),
    steps: readNumber('steps', values.steps),
    CFGScale: readNumber('guidance', values.guidance),
    strength: readNumber('strength', values.strength),
    numberResults: readNumber('count', values.count) ?? 1,
  };
  const task = {
    positivePrompt: prompt,
    negativePrompt: values.negative,
    model: values.model,
    scheduler: values.scheduler,
    ...numbers,
    ...(values.seed !== undefined && { seed: BigInt(values.seed) }),
    ...(values['seed-image'] !== undefined && { seedImage: await readImage('--seed-image', values['seed-image']) }),
    referenceImages:
      values.reference && (await Promise.all(values.reference.map((file) => readImage('--reference', file)))),
    ...(values.mask !== undefined && { maskImage: await readImage('--mask', values.mask) }),
    lora: values.lora?.map(readWeighted),
    embeddings: values.embedding?.map(readWeighted),
    controlNet: values.control && (await Promise.all(values.control.map((text) => readGuide('control', text)))),
    ipAdapters:
      values['image-prompt'] &&
      (await Promise.all(values['image-prompt'].map((text) => readGuide('image-prompt', text)))),
    vae: values.vae,
    ...(values['deep-cache'] !== undefined && {
      acceleratorOptions: { deepCache: true, deepCacheInterval: readNumber('deep-cache', values['deep-cache'])! },
    }),
    promptWeighting: values['prompt-weighting'],
    outputFormat,
    // Base64, because the server's URLs may be unreachable from here.
    outputType: 'base64Data' as const,
    previews: false,
  };
  const nameOf = ({ seed, resultIndex }: ImageResult): string => {
    const several = numbers.numberResults > 1;
    if (values.output === undefined) return `${slug(prompt)}-${seed}${extension}`;
    const { dir, name, ext } = path.parse(values.output);
    return path.join(dir, `${name}${several ? `-${resultIndex + 1}` : ''}${ext || extension}`);
  };
  await withServer(values, (client) => writeResults(client.generate(definedOnly(task)), numbers.numberResults, nameOf));
}

/** `NAME` or `NAME:WEIGHT`. A name may hold colons, as AIRs do. */
function readWeighted(text: string): { model: string; weight?: number } {
  const [, model, weight] = /^(.+):(-?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return model === undefined ? { model: text } : { model, weight: Number(weight) };
}

/** `NAME=FILE` or `NAME=FILE:WEIGHT`. */
async function readGuide(option: string, text: string): Promise<ControlNetInput & IpAdapterInput> {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new UsageError(`--${option} takes NAME=FILE[:WEIGHT], not "${text}".`);
  const { model: source, ...weight } = readWeighted(text.slice(at + 1));
  return { model: text.slice(0, at), guideImage: await readImage(`--${option}`, source), ...weight };
}

function slug(prompt: string): string {
  return (prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['picture']).slice(0, 8).join('-');
}
