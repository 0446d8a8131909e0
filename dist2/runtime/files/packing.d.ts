import { type FileHandle } from 'node:fs/promises';
import type { StoredTensor } from './safetensors.ts';
/** Values that share a scale in weights of 4 and 8 bits. */
export declare const BLOCK = 32;
/** How a weight lies in a packed file. */
export type Held =
  /** Its bytes as they are stored. */
  | {
      as: 'raw';
    }
  /** Its values as floats, row by row. */
  | {
      as: 'float32' | 'float16';
    }
  /**
   * A matrix as onnxruntime's MatMulNBits takes it: codes of 4 or 8 bits in blocks of 32 along a row, then a scale for each
   * block, both row by row, then, where there are minima, what is added to each value of a block: [columns / 32, rows].
   */
  | {
      as: 'blocks';
      bits: 4 | 8;
      hasMinima: boolean;
      floats: 'float32' | 'float16';
    };
/** A range of rows of a stored tensor, and how and where it is written. */
export interface Piece {
  source: StoredTensor;
  /** Of the tensor's first axis; absent: all. */
  rows?: readonly [from: number, to: number] | undefined;
  held: Held;
  /** Bytes from the beginning of the packed file. */
  offset: number;
}
/** A file of weights in the forms that a graph computes with, written from those that people have. */
export interface Packing {
  /** A digest of all that the file holds: sources with their versions, forms and places. Ends in `.weights`. */
  name: string;
  bytes: number;
  pieces: readonly Piece[];
}
/** Where the parts of a piece lie, from the beginning of the file. */
export interface Places {
  rows: number;
  columns: number;
  codes: {
    offset: number;
    length: number;
  };
  scales: {
    offset: number;
    length: number;
  };
  minima: {
    offset: number;
    length: number;
  };
  end: number;
}
/** Rows and columns of a tensor read as a matrix: columns are the last axis of a linear layer, all but the first of a convolution. */
export declare function matrixOf(
  { shape }: StoredTensor,
  rows?: readonly [number, number],
): [rows: number, columns: number];
/** Where the parts of a piece lie that begins at `offset`. */
export declare function placesOf({ source, rows: range, held }: Omit<Piece, 'offset'>, offset: number): Places;
/** Names a file by all that decides its bytes. */
export declare function packingOf(pieces: readonly Piece[], bytes: number): Packing;
/**
 * The form that keeps a block format or an 8-bit float small: exact for block formats with a scale for each 32 values, else
 * 8 bits, whose error is a hundredth of what the format itself has lost.
 */
export declare function smallestExact(dtype: StoredTensor['dtype']):
  | {
      bits: 4 | 8;
      hasMinima: boolean;
    }
  | undefined;
/** Sums of squares: of what was lost, and of all. */
export interface Loss {
  lost: number;
  all: number;
}
/** Writes one piece into a file. Tells what was lost where values were rounded anew; nothing is where codes are kept. */
export declare function writePiece(piece: Piece, into: FileHandle, sources: Sources): Promise<Loss>;
/** Files that weights are read from, each opened once. */
export declare class Sources {
  private readonly handles;
  read({ file, offset, length }: StoredTensor, from?: number, count?: number): Promise<Uint8Array>;
  close(): Promise<void>;
}
