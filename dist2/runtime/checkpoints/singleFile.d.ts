import type { Checkpoint } from './checkpoint.ts';
/**
 * A whole model in one safetensors file in its original layout.
 *
 * The family and every size are read off the tensors. What they cannot tell is said in `<file>.json`, which has the fields of
 * `latentwire.json`, `predictionType`, and objects `unet` (or `transformer`), `vae`, `text_encoder`, `text_encoder_2`,
 * `text_encoder_3` and `scheduler` whose fields win: `{"unet": {"attention_head_dim": 4, "norm_num_groups": 4}}`. Of the
 * header's metadata, title, description, license, tags, resolution and prediction type (`modelspec.…`) are used.
 *
 * Most vocabularies are in no such file; see `findTokenizer` for where they come from.
 *
 * @throws {ModelError | SafetensorsError} naming the part and the reason
 */
export declare function openSingleFile(file: string): Promise<Checkpoint>;
