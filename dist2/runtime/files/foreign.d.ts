/** What a file was expected to be. */
export type Wanted = 'safetensors' | 'gguf' | 'onnx' | 'json' | 'merges';
/**
 * What a file is that is not what it was expected to be, told by its first bytes, and what to do about it: "it is a web
 * page …. Download the file again". Undefined where they do not tell, or the file cannot be read.
 *
 * @param wanted - what it turned out not to be; nothing in particular where it is left away
 */
export declare function foreignKind(file: string, wanted?: Wanted): Promise<string | undefined>;
