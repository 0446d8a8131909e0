import path from 'node:path';
import { isWeightsFile, type ModelDescription, weightsStem } from '../../../runtime/index.ts';
import { isNamed } from '../../../server/catalog/catalog.ts';
import { noteOf } from '../../../server/catalog/taskModels.ts';
import type { Local } from './local.ts';

/** Accepts a file that only lacks its tokenizer, which can follow. Throws the reason of any other fault. */
export function checkUsable(found: ModelDescription): void {
  if (!found.available && !lacksTokenizer(found)) throw new Error(found.reason ?? 'The model cannot be used.');
}

function lacksTokenizer({ available, reason, folder }: ModelDescription): boolean {
  return !available && isWeightsFile(folder) && /\btokenizer(_[23])? is missing\b/.test(reason ?? '');
}

/**
 * Prints the AIR of a new model to stdout, and notes to stderr. Throws if the model cannot be used.
 *
 * @param place - where it is, below the models folder
 * @param air - what it was called, where it was
 */
export async function tell({ modelsDir, list, defaultVaes }: Local, place: string, air?: string): Promise<void> {
  const file = path.join(modelsDir, place);
  const entries = await list();
  const own = entries.filter(({ model }) => model.folder === file);
  const entry = own.find(({ ids }) => air !== undefined && isNamed(ids, air)) ?? own[0];
  if (entry === undefined) throw new Error(`${file} was added, but another model has its name.`);
  const { model } = entry;
  process.stdout.write(`${entry.air}\n`);
  if (model.available) {
    const note = noteOf(entry, entries, defaultVaes);
    process.stderr.write(`It can be used now.${note === undefined ? '' : ` ${note}`}\n`);
    return;
  }
  checkUsable(model);
  const [tokenizer] = /\btokenizer(_[23])?(?= is missing)/.exec(model.reason ?? '') ?? ['tokenizer'];
  const folder = `${weightsStem(file)}.${tokenizer}`;
  process.stderr.write(
    `It cannot be used yet: ${model.reason}\nThe files are in tokenizer/ of the diffusers folder of the same model. Put ` +
      `them into ${folder}, or give --tokenizer FOLDER next time.\n`,
  );
}
