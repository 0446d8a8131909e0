/** The file of an image, and its base64 text, which is made once for all who receive it. */
export class EncodedImage {
  bytes;
  #base64;
  constructor(bytes) {
    this.bytes = bytes;
  }
  get base64() {
    this.#base64 ??= this.bytes.toString('base64');
    return this.#base64;
  }
}
//# sourceMappingURL=encodedImage.js.map
