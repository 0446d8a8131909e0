import { join } from 'node:path';
import type { Examination } from '../../runtime/index.ts';
import { chosenOf } from '../../server/catalog/taskModels.ts';
import { findEntry, openLocal } from './models/local.ts';
import { localOptions, localOptionsHelp } from './models/options.ts';
import { table, terminalWidth } from './table.ts';
import { humanBytes } from './transfer.ts';
import { readArguments, UsageError } from './usage.ts';

export const doctorHelp = `Usage: latentwire doctor [options]

Shows the device that the server would use and why, its precision, whether its fused attention is correct, and the provider
of each node of a model's networks. Reads the same variables as the server.

Options:
  --model AIR          The model to examine. Default: local:pocket@1, the embedded one
  --device NAME        auto, cpu, webgpu, cuda, coreml or dml. Default: LATENTWIRE_DEVICE, else auto
  --precision NAME     auto, float32 or float16. Default: LATENTWIRE_PRECISION, else auto
  --weights FORM       auto, stored, int8, int4 or float16. Default: LATENTWIRE_WEIGHTS, else auto
  --json               Print the whole result as JSON
${localOptionsHelp}
`;

export async function doctor(args: string[]): Promise<void> {
  const options = {
    ...localOptions,
    model: { type: 'string', default: 'local:pocket@1' },
    device: { type: 'string' },
    precision: { type: 'string' },
    weights: { type: 'string' },
    json: { type: 'boolean' },
  } as const;
  const { values, positionals } = readArguments('doctor', args, options);
  if (positionals.length > 0) throw new UsageError(`Unexpected argument "${positionals[0]}".`);
  const { loadConfig } = await import('../../server/config/config.ts');
  const given = ['device', 'precision', 'weights'].flatMap((name) => {
    const value = values[name as 'device' | 'precision' | 'weights'];
    return value === undefined ? [] : [`--${name}`, value];
  });
  const { device, precision, weights, threads, dataDir } = loadConfig(['--allow-open', ...given], process.env);
  const entry = findEntry(await openLocal(values).list(), values.model);
  if (!entry) throw new Error(`There is no model "${values.model}". latentwire models lists them.`);
  if (!entry.model.available) throw new Error(`${entry.air} cannot be used: ${entry.model.reason}`);
  const { examine } = await import('../../runtime/index.ts');
  const found: { device: string; examination: Examination }[] = [];
  for (const name of device) {
    const packedFolder = join(dataDir, 'weights');
    const wanted = { device: name, precision, weights, packedFolder, ...chosenOf(entry) };
    found.push({ device: name, examination: await examine({ ...wanted, ...(threads > 0 && { threads }) }) });
  }
  if (values.json === true) {
    const all = found.map(({ device: asked, examination }) => ({ device: asked, model: entry.air, ...examination }));
    print(`${JSON.stringify(all, undefined, 2)}\n`);
    return;
  }
  for (const { examination } of found) print(reportOf(entry.air, examination));
}

/** The report as text. */
export function reportOf(air: string, { provider, graphs, memoryBytes }: Examination, width = terminalWidth()): string {
  const widened = provider.widened.length > 0 ? ` Still in float32: ${provider.widened.join(', ')}.` : '';
  const rows = [
    ['Provider', provider.name, provider.reason],
    ...provider.passedOver.map(({ name, reason }) => ['', name, `not used: ${reason}`]),
    ['Machine', '', provider.machine],
    ['Precision', provider.precision, provider.precisionReason + widened],
    [
      'Attention',
      provider.attention,
      provider.attention === 'fused'
        ? "onnxruntime's fused attention is correct."
        : 'Plain operators, because the fused one is missing or gives wrong results.',
    ],
    ['Memory', humanBytes(memoryBytes), `of the process with all networks of ${air} open`],
  ];
  const networks = graphs.map(({ name, weightBytes, openMs, error, placements }) => [
    name,
    humanBytes(weightBytes),
    openMs === undefined ? '-' : `${Math.round(openMs)} ms`,
    error ?? placements.map((place) => `${place.provider} ${place.nodes}`).join(', '),
  ]);
  const strays = graphs.flatMap(({ name, placements }) =>
    provider.name === 'cpu'
      ? []
      : placements.filter((p) => p.provider === 'Cpu').flatMap((p) => p.names.map((node) => [name, node])),
  );
  return [
    table(rows, width),
    '\n',
    table([['NETWORK', 'WEIGHTS', 'OPENED IN', 'NODES'], ...networks], width),
    ...(strays.length > 0 ? ['\n', table([['ON THE CPU', 'NODE'], ...strays], width)] : []),
  ].join('');
}

function print(text: string): void {
  process.stdout.write(text);
}
