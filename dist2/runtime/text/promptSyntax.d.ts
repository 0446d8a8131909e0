import type { PromptWeighting } from '../messages.ts';
/** A piece of a prompt without signs; 1 is the weight of unmarked text. */
export interface Fragment {
  text: string;
  /** From 0 to 10; sdEmbeds also allows down to -10. */
  weight: number;
}
/** A prompt without its signs. All syntaxes but compel's `.and()` and `.blend()` give one part. */
export interface ParsedPrompt {
  /** How the states of the parts come together: one after the other, or as a weighted sum. */
  join: 'concatenate' | 'blend';
  parts: {
    fragments: Fragment[];
    weight: number;
  }[];
}
/**
 * Takes the signs of a weighting syntax out of a prompt. Signs that have no partner are text, so no prompt is refused;
 * time and memory grow with the length of the prompt, however it is nested.
 *
 * - absent: everything is text, `(word:1.2)` too;
 * - `sdEmbeds` as in AUTOMATIC1111's web UI: `(words)` × 1.1, `[words]` ÷ 1.1, `(words:1.3)` × 1.3, nested products,
 *   `\(` `\)` `\[` `\]` `\\` for the characters themselves. Its scheduled words, `AND` and `BREAK` are text;
 * - `compel` as in https://github.com/damian0815/compel: `word+` × 1.1 a sign, `word-` × 0.9 a sign, `(some words)++`,
 *   `(some words)1.3`, `(words).attend(1.3)`, quotes like parentheses, nested products, a backslash before a sign for the
 *   sign itself; `("one", "another").blend(0.7, 0.3)` and `.and()` for the whole prompt. Parentheses and quotes without a
 *   weight vanish.
 */
export declare function parsePrompt(text: string, weighting?: PromptWeighting): ParsedPrompt;
