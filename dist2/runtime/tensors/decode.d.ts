/** Stored values as float32; undefined for types that are not read here. The bytes must begin where an element does. */
export declare function toFloats(dtype: string, bytes: ArrayBuffer): Float32Array | undefined;
