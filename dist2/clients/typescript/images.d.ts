/**
 * An image as input: the UUID of an uploaded or generated one, an `http(s)` URL, a data URI, bare base64, or the bytes of
 * an image file.
 */
export type ImageInput = string | Uint8Array | ArrayBuffer | Blob;
/**
 * The form an image has inside a task: strings stay as they are, bytes become a data URI.
 *
 * @param parameter - where the task has it, for the error about bytes that are no image
 */
export declare function toWireImage(image: ImageInput, parameter?: string): Promise<string>;
/** The media type of an image file by its first bytes. */
export declare function sniffMime(bytes: Uint8Array): string | undefined;
/** The bytes behind base64, with or without a data URI's head. */
export declare function fromBase64(text: string): Uint8Array<ArrayBuffer>;
