import type { ImageReference } from '../../protocol/images.ts';
import type { ImageLimits } from './decode.ts';
import type { ImageStore } from './store.ts';
export interface ReferenceOptions {
  store: ImageStore;
  limits: ImageLimits;
  allowPrivateUrls: boolean;
  /** For a fetch by URL, redirects included. */
  fetchTimeoutMs: number;
  /** What this server's own image URLs begin with: they are read from the store instead of fetched. */
  ownBases: readonly string[];
  /** Ends a fetch before its time. */
  signal?: AbortSignal | undefined;
}
/** Whether bytes come from elsewhere, and may take long to come. */
export declare function isForeign(reference: ImageReference, ownBases: readonly string[]): boolean;
/** Reads the bytes behind an image reference, as they were sent. Throws ImageError. */
export declare function readReference(reference: ImageReference, options: ReferenceOptions): Promise<Buffer>;
