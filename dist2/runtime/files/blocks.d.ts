/**
 * The block formats of GGUF (ggml's quantised types). A block holds 32 or 256 neighbours of a row. Every format is read as
 * whole numbers (`codes`) in groups of 16 or 32 that share a scale and a minimum: value = scale · code + minimum. Codes lie
 * around 0, so that a minimum is as small as it can be.
 */
export interface BlockFormat {
  /** Values of a block. */
  readonly values: 32 | 256;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Values that share a scale. */
  readonly group: 16 | 32;
  /** Bits that hold every code, as a number from -2^(bits-1). */
  readonly bits: 4 | 8;
  /** Whether groups have minima; without, they are 0 and `unpack` leaves them alone. */
  readonly hasMinima: boolean;
  /** Reads the block that begins at `at`: `values` codes, a scale and a minimum for each group. */
  unpack(bytes: Uint8Array, at: number, codes: Int8Array, scales: Float32Array, minima: Float32Array): void;
}
export declare const blockFormats: {
  readonly Q4_0: {
    readonly values: 32;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 4;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q4_1: {
    readonly values: 32;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 4;
    readonly hasMinima: true;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
      minima: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q5_0: {
    readonly values: 32;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 8;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q5_1: {
    readonly values: 32;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 8;
    readonly hasMinima: true;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
      minima: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q8_0: {
    readonly values: 32;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 8;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q2_K: {
    readonly values: 256;
    readonly bytes: number;
    readonly group: 16;
    readonly bits: 4;
    readonly hasMinima: true;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
      minima: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q3_K: {
    readonly values: 256;
    readonly bytes: number;
    readonly group: 16;
    readonly bits: 4;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q4_K: {
    readonly values: 256;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 4;
    readonly hasMinima: true;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
      minima: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q5_K: {
    readonly values: 256;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 8;
    readonly hasMinima: true;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
      minima: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly Q6_K: {
    readonly values: 256;
    readonly bytes: number;
    readonly group: 16;
    readonly bits: 8;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly IQ4_NL: {
    readonly values: 32;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 8;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
  readonly IQ4_XS: {
    readonly values: 256;
    readonly bytes: number;
    readonly group: 32;
    readonly bits: 8;
    readonly hasMinima: false;
    readonly unpack: (
      bytes: Uint8Array<ArrayBufferLike>,
      at: number,
      codes: Int8Array<ArrayBufferLike>,
      scales: Float32Array<ArrayBufferLike>,
    ) => void;
  };
};
export type BlockDtype = keyof typeof blockFormats;
export declare function isBlockDtype(dtype: string): dtype is BlockDtype;
/** The values of whole blocks, as float32. */
export declare function dequantise(dtype: BlockDtype, bytes: Uint8Array): Float32Array;
/** By safetensors' names: e4m3fn (bias 7, no infinity, 448 the largest) and e5m2 (IEEE-like, bias 15). */
export declare const float8Tables: {
  readonly F8_E4M3: Float32Array<ArrayBufferLike>;
  readonly F8_E5M2: Float32Array<ArrayBufferLike>;
};
export type Float8Dtype = keyof typeof float8Tables;
export declare function isFloat8(dtype: string): dtype is Float8Dtype;
