/** An encoded image and its base64, which is computed once for all receivers. */
export class EncodedImage {
  readonly bytes: Buffer;
  #base64: string | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get base64(): string {
    this.#base64 ??= this.bytes.toString('base64');
    return this.#base64;
  }
}
