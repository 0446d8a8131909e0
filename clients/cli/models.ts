import { serverOptions, serverOptionsHelp, withServer } from './server.ts';
import { readArguments } from './usage.ts';

export const modelsHelp = `Usage: latentwire models [WORDS] [options]

Lists the models of a server, those that fit the words.

Options:
  --json               The catalog as JSON
${serverOptionsHelp}
`;

export async function models(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('models', args, { ...serverOptions, json: { type: 'boolean' } });
  await withServer(values, async (client) => {
    const found = await client.models(positionals.length > 0 ? positionals.join(' ') : undefined);
    if (values.json) {
      process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
      return;
    }
    const rows = found.map(({ air, name, defaultWidth, defaultHeight, defaultSteps, available, reason }) => [
      air,
      name,
      `${defaultWidth}×${defaultHeight}`,
      `${defaultSteps} steps`,
      available ? '' : `cannot be loaded: ${reason ?? 'no reason given'}`,
    ]);
    const widths = rows.reduce((widest, row) => row.map((cell, i) => Math.max(widest[i] ?? 0, cell.length)), [0]);
    for (const row of rows) {
      process.stdout.write(
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
      );
    }
  });
}
