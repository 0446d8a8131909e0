import path from 'node:path';
import type { UpscaleTask } from '../typescript/index.ts';
import { definedOnly, formatOf, readImage, writeResults } from './pictures.ts';
import { serverOptions, serverOptionsHelp, withServer } from './server.ts';
import { readArguments, readNumber, readOnly, UsageError } from './usage.ts';

export const upscaleHelp = `Usage: latentwire upscale FILE [options]

Enlarges a picture, writes it to a file, and prints only the path of the file to stdout. FILE is a PNG, JPG or WEBP, a URL,
or the UUID of an image of the server. Uses the running server, or starts one for this call. Ctrl-C cancels.

Options:
  -o, --output FILE    Output file: .png, .jpg or .webp. Default: a .png named after FILE
  --factor NUMBER      How many times as wide and high: 2, 3 or 4. Default: 2
  --megapixels NUMBER  Size of the result instead, 1 to 8
  --model AIR          An upscaler of the server; local:lanczos@1 interpolates. Default: the first that the server has
${serverOptionsHelp}
`;

const options = {
  ...serverOptions,
  output: { type: 'string', short: 'o' },
  factor: { type: 'string' },
  megapixels: { type: 'string' },
  model: { type: 'string' },
} as const;

export async function upscale(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('upscale', args, options);
  const source = readOnly(positionals, 'the picture');
  const { extension, outputFormat } = formatOf(values.output);
  const factor = readNumber('factor', values.factor);
  if (factor !== undefined && ![2, 3, 4].includes(factor)) throw new UsageError('--factor takes 2, 3 or 4.');
  const task = definedOnly({
    inputImage: await readImage('The picture', source),
    upscaleFactor: factor as UpscaleTask['upscaleFactor'],
    targetMegapixels: readNumber('megapixels', values.megapixels),
    model: values.model,
    outputFormat,
    // Base64, because the server's URLs may be unreachable from here.
    outputType: 'base64Data' as const,
    previews: false,
  });
  const output = values.output ?? `${path.parse(source).name}-large`;
  const name = path.extname(output) === '' ? `${output}${extension}` : output;
  await withServer(values, (client) => writeResults(client.upscale(task), 1, () => name));
}
