import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { weightsStem } from '../../../runtime/index.ts';
import { fileAs, type Source } from './bringIn.ts';

/** A single file, with what the runtime looks for beside it: settings, and its own tokenizers. */
export async function fileWithCompany(source: string, name: string, tokenizer: string | undefined): Promise<Source[]> {
  const to = name + path.extname(source).toLowerCase();
  const found = [await fileAs(source, to)];
  const settings = await fileAs(`${source}.json`, `${to}.json`).catch(() => undefined);
  if (settings !== undefined) found.push(settings);
  const stem = weightsStem(source);
  for (const each of ['tokenizer', 'tokenizer_2', 'tokenizer_3']) {
    const folders = tokenizer === undefined ? [`${stem}.${each}`] : [path.resolve(tokenizer, each)];
    if (tokenizer !== undefined && each === 'tokenizer') folders.unshift(path.resolve(tokenizer));
    const files = await Promise.all(folders.map((folder) => tokenizerIn(folder, `${name}.${each}`)));
    const first = files.find((some) => some.length > 0);
    if (first !== undefined) found.push(...first);
    else if (tokenizer !== undefined && each === 'tokenizer') {
      throw new Error(`--tokenizer: in ${tokenizer} there are neither vocab.json and merges.txt nor tokenizer.json.`);
    }
  }
  return found;
}

/** The files of a tokenizer; none where the folder holds no whole one. */
async function tokenizerIn(folder: string, to: string): Promise<Source[]> {
  const known = /^(vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$|^merges\.txt$/;
  const names = (await readdir(folder).catch(() => [])).filter((name) => known.test(name));
  const whole = names.includes('tokenizer.json') || (names.includes('vocab.json') && names.includes('merges.txt'));
  return whole ? await Promise.all(names.map((name) => fileAs(path.join(folder, name), path.join(to, name)))) : [];
}
