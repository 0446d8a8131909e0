/** The model cannot be used; the message is a sentence naming the part and the reason. */
export declare class ModelError extends Error {
  readonly name = 'ModelError';
}
/** Puts the name of the part before any complaint about it. */
export declare function inPart<T>(part: string, work: () => T | Promise<T>): Promise<T>;
/** Bytes of the largest file of a tokenizer that is read; CLIP's have 2 MB. */
export declare const mostTokenizerBytes: number;
/** Undefined when the file does not exist; a sentence naming it when it cannot be read or is larger than `mostBytes`. */
export declare function readText(file: string, mostBytes?: number): Promise<string | undefined>;
/** The same for what is not a JSON object. */
export declare function readJson(file: string, mostBytes?: number): Promise<Record<string, unknown> | undefined>;
/** The text itself where it is not JSON. */
export declare function parsed(text: string): unknown;
export declare function isFile(file: string): Promise<boolean>;
export declare function isFolder(path: string): Promise<boolean>;
export declare function isObject(value: unknown): value is Record<string, unknown>;
/** Weights that Python unpickles: opening them can run code. */
export declare function isPickle(name: string): boolean;
export declare const pickleReason =
  'pickled weights can run code when opened and are refused. Use safetensors or ONNX.';
/** Names, sizes and times of files, and of folders with what lies in them; the same while nothing changed. */
export declare function fingerprint(paths: readonly string[]): string;
