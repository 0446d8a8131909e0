import { serverOptions, serverOptionsHelp, withServer } from '../server.js';
import { table, terminalWidth } from '../table.js';
import { humanBytes } from '../transfer.js';
import { readArguments } from '../usage.js';
import { localOptions, localOptionsHelp } from './options.js';
export const listHelp = `Usage: latentwire models [list] [WORDS] [options]

Lists the models of this machine that fit the words, whether a server runs or not; with --url or LATENTWIRE_URL, those of
that server.

Options:
  --json               Everything that is known, as JSON
${localOptionsHelp}
${serverOptionsHelp.replace(/Default: LATENTWIRE_URL.*$/m, 'Default: LATENTWIRE_URL, else none: this machine')}
`;
export async function list(args) {
  const options = { ...serverOptions, ...localOptions, json: { type: 'boolean' } };
  const { values, positionals } = readArguments('models list', args, options);
  const words = positionals.join(' ');
  const atServer = values.url !== undefined || (process.env.LATENTWIRE_URL ?? '') !== '';
  if (atServer && values['models-dir'] === undefined) return await listServer(values, words, values.json === true);
  const { openLocal } = await import('./local.js');
  await listLocal(openLocal(values), words, values.json === true);
}
async function listLocal(local, words, json) {
  const all = await local.list();
  const found = all.filter((entry) => fits(entry, words));
  if (json) {
    const items = found.map(({ air, ids, model }) => ({ air, ids, ...model }));
    return print(`${JSON.stringify(items, undefined, 2)}\n`);
  }
  const { noteOf } = await import('../../../server/taskModels.js');
  const rows = found.map((entry) => toLocalRow(entry, noteOf(entry, all, local.defaultVaes)));
  print(table([['AIR', 'KIND', 'FAMILY', 'SIZE', 'PRECISION', ''], ...rows], terminalWidth()));
}
function toLocalRow({ air, model }, note) {
  return [
    air,
    model.kind,
    model.architecture,
    model.sizeBytes > 0 ? humanBytes(model.sizeBytes) : '-',
    model.precision,
    model.available ? (note ?? '') : `cannot be used: ${model.reason ?? 'no reason given'}`,
  ];
}
function fits({ ids, model }, words) {
  const text = [...ids, model.name, model.description ?? '', ...model.tags].join(' ').toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
async function listServer(choice, words, json) {
  await withServer(choice, async (client) => {
    const found = await client.models(words === '' ? undefined : words);
    print(json ? `${JSON.stringify(found, undefined, 2)}\n` : table(found.map(toRow), terminalWidth()));
  });
}
function toRow({ air, name, defaultWidth, defaultHeight, defaultSteps, available, reason }) {
  return [
    air,
    name,
    `${defaultWidth}×${defaultHeight}`,
    `${defaultSteps} steps`,
    available ? (reason ?? '') : `cannot be loaded: ${reason ?? 'no reason given'}`,
  ];
}
function print(text) {
  process.stdout.write(text);
}
//# sourceMappingURL=list.js.map
