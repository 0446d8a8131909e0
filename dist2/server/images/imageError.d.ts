/**
 * An image that cannot be taken: the reason as a sentence for the client. Where the image came from (`seedImage`,
 * `image`, `media`) is known to the task, which turns this into an error of that parameter.
 */
export declare class ImageError extends Error {
  readonly kind: ImageErrorKind;
  constructor(message: string, kind?: ImageErrorKind, options?: ErrorOptions);
}
/** `missing`: no such UUID here; `download`: the URL gave nothing; `invalid`: what was given is not a usable image. */
export type ImageErrorKind = 'missing' | 'download' | 'invalid';
