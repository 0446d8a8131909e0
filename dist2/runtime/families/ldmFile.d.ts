import type { Config, FileParts, LoraAlias, ModelFile } from './family.ts';
/**
 * A file in the original (CompVis, Stability) layout: Stable Diffusion 1.x, 2.x, XL or the XL refiner, also for inpainting
 * (9 channels) and InstructPix2Pix (8 channels).
 *
 * Every size is read off the tensors. What shapes cannot tell has the published values: 8 heads of attention in SD 1's UNet
 * and heads of 64 channels everywhere else, 32 groups in normalizations, the family's scheduler and scaling factor. Networks
 * of other proportions say theirs in the settings.
 *
 * @throws {ModelError} naming the part and the reason
 */
export declare function readLdmFile(file: ModelFile): Promise<FileParts>;
/** What pads the rows of a published tokenizer: SD 1 pads with the end of the text, SD 2 and XL's second encoder with `!`. */
export declare function ldmPadToken({ className, parts }: FileParts, tokenizer: string): string;
/** From a module's path in diffusers to that of the original layout. */
export declare function ldmAliases(config: Config): (path: string) => readonly LoraAlias[];
