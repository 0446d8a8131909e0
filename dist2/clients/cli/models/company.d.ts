import { type Source } from './bringIn.ts';
/** A single file, with what the runtime looks for beside it: settings, and its own tokenizers. */
export declare function fileWithCompany(source: string, name: string, tokenizer: string | undefined): Promise<Source[]>;
