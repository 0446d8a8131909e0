/**
 * `npm run bench:weights`: what holding the weights of linear layers in 8 or 4 bits spares and costs. Pictures of a model are
 * drawn with floats and with each form in turn: medians of the denoising's processor time against that with floats, how far
 * the pictures are apart, and resident memory. A model that was not trained tells of time and memory only.
 *
 *     npm run bench:weights -- --model models/pocket --size 256 --steps 20 --pictures 8 --forms int8,int4 --sheet OUT.png
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { apart, promptOf, writeSheet } from './drawing.ts';
import { type Figure, median, pairedRatio, printTable } from './figures.ts';
import { readOptions, text, whole } from './options.ts';
import type { DrawAnswer, DrawnBy, DrawQuestion } from './weightFormsChild.ts';

const options = readOptions({
  model: text(join(fileURLToPath(new URL('../../', import.meta.url)), 'models/pocket')),
  forms: text('int8,int4'),
  size: whole(256, 64, 2048),
  steps: whole(20, 1, 100),
  pictures: whole(8, 1, 1000),
  threads: whole(1, 1, 1024),
  sheet: text(),
});
const { size, steps, pictures, sheet } = options;
const forms = options.forms.split(',') as DrawnBy['weights'][];
const folder = await mkdtemp(join(tmpdir(), 'latentwire-forms-'));

const start = async (weights: DrawnBy['weights']) => {
  const drawnBy: DrawnBy = {
    model: resolve(options.model),
    weights,
    threads: options.threads,
    packedFolder: folder,
    size,
    steps,
  };
  const { child } = await Child.start('./weightFormsChild.js', [JSON.stringify(drawnBy)]);
  const answers: DrawAnswer[] = [];
  // Loads, and repacks.
  await child.ask<DrawAnswer>({ prompt: '', seed: 0 } satisfies DrawQuestion);
  return { weights, child, answers };
};

try {
  const sides = [await start('float16')];
  for (const form of forms) sides.push(await start(form));
  for (let n = 0; n < pictures; n++) {
    const question: DrawQuestion = { prompt: promptOf(n), seed: 100 + n };
    // The order turns around each time.
    for (const side of n % 2 === 0 ? sides : sides.toReversed()) side.answers.push(await side.child.ask(question));
  }
  const [plain, ...others] = sides as [(typeof sides)[0], ...typeof sides];
  const ms = (answers: DrawAnswer[]) => answers.map(({ denoisingMs }) => denoisingMs);
  const mib = (answers: DrawAnswer[]) => Math.round(answers.at(-1)!.peakBytes / 2 ** 20);
  const figures: Figure[] = [
    {
      name: 'denoising with floats',
      value: median(ms(plain.answers)),
      unit: 'ms',
      detail: `${steps} guided steps, ${size}×${size}`,
    },
    { name: 'peak with floats', value: mib(plain.answers), unit: 'MiB' },
  ];
  for (const { weights, answers } of others) {
    const found = answers.map(({ pixels }, n) => apart(pixels, plain.answers[n]!.pixels));
    const most = Math.max(...found.map((each) => each.most));
    figures.push(
      { name: `${weights}: denoising`, value: pairedRatio(ms(answers), ms(plain.answers)), unit: '×' },
      { name: `${weights}: peak`, value: mib(answers), unit: 'MiB' },
      {
        name: `${weights}: mean difference`,
        value: median(found.map(({ mean }) => mean)),
        unit: 'of 255',
        detail: `worst picture ${Math.max(...found.map(({ mean }) => mean)).toFixed(2)}, worst value ${most}`,
      },
    );
  }
  printTable(figures);
  if (sheet !== undefined) {
    await writeSheet(
      sheet,
      sides.map(({ answers }) => answers.map(({ pixels }) => pixels)),
    );
  }
  for (const { child } of sides) await child[Symbol.asyncDispose]();
} finally {
  await rm(folder, { recursive: true, force: true });
}
