/** How the file of a component's weights is called, without endings. */
export declare const textStem = 'model';
export declare const networkStem = 'diffusion_pytorch_model';
/**
 * The file to read a component's weights from: `<stem>.safetensors`, else its index of shards, else the half-precision
 * variant (`fp16`, then `bf16`) as a file or an index, else the only other variant there is.
 *
 * @param part - what to call the component in complaints
 * @returns Absolute path, or undefined where the folder has nothing of the kind.
 * @throws {ModelError} where there are only pickled weights, or several variants and no reason to take one of them
 */
export declare function locateWeights(folder: string, stem: string, part: string): Promise<string | undefined>;
