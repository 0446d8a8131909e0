/** `previews` and `progress`: what a client wants to hear before the result, per task or as its session's default. */
import * as z from 'zod';
import type { ImageFormat } from './events.ts';
/** What previews a task wants. */
export interface PreviewOptions {
  /** A preview at every N-th step and at the last. */
  every: number;
  /** Longest side in pixels, never above that of the result. Absent: as small as the decoder makes them. */
  size?: number | undefined;
  format: ImageFormat;
  quality: number;
  /** In the event as text, or as a binary frame. */
  delivery: 'base64' | 'binary';
  /** How latents become a picture. */
  decoder: (typeof PREVIEW_DECODERS)[number];
}
export declare const IMAGE_FORMATS: readonly ['JPG', 'PNG', 'WEBP'];
/** A format for images, JPG unless something else is said; some clients write `JPEG`. */
export declare const imageFormat: () => z.ZodOptional<
  z.ZodPipe<z.ZodString, z.ZodTransform<'JPG' | 'PNG' | 'WEBP', string>>
>;
/** A linear map of the latents, or a tiny network. */
export declare const PREVIEW_DECODERS: readonly ['linear', 'tiny'];
/** `true` is every default; `false` switches off what the session switched on; absent leaves it to the session. */
export declare const previews: z.ZodOptional<z.ZodPipe<z.ZodUnknown, z.ZodTransform<false | PreviewOptions, unknown>>>;
