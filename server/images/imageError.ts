/**
 * An image was refused; the message is a sentence for the client. The task adds the parameter (`seedImage`, `image`,
 * `media`).
 */
export class ImageError extends Error {
  readonly kind: ImageErrorKind;

  constructor(message: string, kind: ImageErrorKind = 'invalid', options?: ErrorOptions) {
    super(message, options);
    this.name = 'ImageError';
    this.kind = kind;
  }
}

/** `missing`: no image has the UUID; `download`: the URL returned no image; `invalid`: the image is not usable. */
export type ImageErrorKind = 'missing' | 'download' | 'invalid';
