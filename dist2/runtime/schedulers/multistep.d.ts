/** The slope to follow from the last one to four slopes at even distances, newest first. */
export declare function adamsBashforth(slopes: readonly Float32Array[]): Float32Array;
