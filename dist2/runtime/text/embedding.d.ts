/** Vectors that stand for one word, in order: `data` is [count, width]. */
export interface WordVectors {
  count: number;
  width: number;
  data: Float32Array;
}
/** A textual inversion: a word of its own and what each text encoder reads in its place. */
export interface Embedding {
  /** The word, without angle brackets. */
  name: string;
  vectors: {
    text_encoder?: WordVectors;
    text_encoder_2?: WordVectors;
    [otherEncoder: string]: WordVectors | undefined;
  };
}
/**
 * Reads a textual inversion from a safetensors file in one of three layouts: `emb_params` of AUTOMATIC1111's web UI;
 * `clip_l` and `clip_g` for SDXL's two encoders; or one tensor named like its token, as diffusers writes it. Each is
 * [count, width], or [width] for one vector, in F32, F16 or BF16.
 *
 * The word is the token where diffusers wrote one, else `name` of the file's metadata, else the file's name without its
 * ending.
 *
 * @throws {SafetensorsError} naming the file and the reason
 */
export declare function readEmbedding(file: string): Promise<Embedding>;
