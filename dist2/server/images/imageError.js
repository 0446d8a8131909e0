/**
 * An image that cannot be taken: the reason as a sentence for the client. Where the image came from (`seedImage`,
 * `image`, `media`) is known to the task, which turns this into an error of that parameter.
 */
export class ImageError extends Error {
  kind;
  constructor(message, kind = 'invalid', options) {
    super(message, options);
    this.name = 'ImageError';
    this.kind = kind;
  }
}
//# sourceMappingURL=imageError.js.map
