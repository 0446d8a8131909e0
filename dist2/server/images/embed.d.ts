import type { ImageFormat } from '../../protocol/events.ts';
/** Texts that travel in an image file. */
export interface Embedded {
  /** In the form that people's tools read. */
  parameters: string;
  /** JSON. */
  json: string;
}
/**
 * Writes texts into an encoded image without touching its pixels. A PNG gets the text chunks `parameters` and `latentwire`, a
 * JPG and a WEBP an EXIF block whose UserComment has the parameters and whose ImageDescription has the JSON.
 */
export declare function embed(bytes: Buffer, format: ImageFormat, texts: Embedded): Buffer;
