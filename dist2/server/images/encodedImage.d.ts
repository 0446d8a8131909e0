/** The file of an image, and its base64 text, which is made once for all who receive it. */
export declare class EncodedImage {
  #private;
  readonly bytes: Buffer;
  constructor(bytes: Buffer);
  get base64(): string;
}
