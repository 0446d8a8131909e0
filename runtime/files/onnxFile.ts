import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, sep } from 'node:path';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { foreignKind } from './foreign.ts';

/** What a `model.onnx` says about itself, read without native code. */
export interface OnnxFile {
  /** Bytes of the file and of the external data files it names. */
  sizeBytes: number;
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  /** `metadata_props` of the model. */
  metadata: Record<string, string>;
  /** Bytes of weights by ONNX data type code. */
  weightBytes: Map<number, number>;
}

export interface OnnxValue {
  name: string;
  /** TensorProto.DataType; 0 when not given. */
  dataType: number;
  /** A string is a free dimension. */
  shape: (number | string)[];
}

/** The file is not a usable ONNX model; the message is a sentence that names the file and the reason. */
export class OnnxFileError extends Error {
  override readonly name = 'OnnxFileError';
}

/** Values up to this length are read whole; larger ones (embedded weights) are stepped over. */
const readWhole = 1 << 20;

/**
 * Walks the fields of a model without loading its weights, and checks that every length stays inside the file and that
 * external data lies where the model says: onnxruntime would find out too, but only after starting to load.
 */
export async function inspectOnnxFile(file: string): Promise<OnnxFile> {
  const name = basename(file);
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (cause) {
    throw new OnnxFileError(`${name} cannot be opened: ${(cause as NodeJS.ErrnoException).code ?? cause}.`, { cause });
  }
  try {
    const { size } = await handle.stat();
    const refuse = async (reason: string, cause?: unknown) => {
      const kind = await foreignKind(file, 'onnx');
      return new OnnxFileError(`${name} is not a usable ONNX model: ${kind ?? reason}.`, { cause });
    };
    if (size === 0) throw await refuse('it is empty');
    const found: OnnxFile = { sizeBytes: size, inputs: [], outputs: [], metadata: {}, weightBytes: new Map() };
    const external = new Map<string, number>();
    const walker = new Walker(handle, size);
    let nodes = 0;
    let hasGraph = false;
    try {
      await walker.fields(0, size, async (field, start, end) => {
        if (field === 14) {
          const [key, value] = pair(await walker.bytes(start, end));
          found.metadata[key] = value;
        }
        if (field !== 7) return;
        hasGraph = true;
        await walker.fields(start, end, async (inner, from, to) => {
          if (inner === 1) nodes++;
          if (inner === 11) found.inputs.push(valueInfo(await walker.bytes(from, to)));
          if (inner === 12) found.outputs.push(valueInfo(await walker.bytes(from, to)));
          if (inner === 5) await initializer(walker, from, to, found, external);
        });
      });
    } catch (cause) {
      if (cause instanceof OnnxFileError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw await refuse(`${reason} (it may be truncated or another format)`, cause);
    }
    if (!hasGraph || nodes === 0 || found.outputs.length === 0) {
      throw await refuse('it has no graph (it may be truncated)');
    }
    for (const [location, needed] of external) {
      const inside = normalize(location);
      if (isAbsolute(inside) || inside.split(sep)[0] === '..') {
        throw new OnnxFileError(`${name} names external data outside its own folder ("${location.slice(0, 120)}").`);
      }
      const data = await stat(join(dirname(file), location)).catch(() => undefined);
      if (!data?.isFile()) throw new OnnxFileError(`${name} needs ${location} beside it, which is missing.`);
      if (data.size < needed) {
        throw new OnnxFileError(
          `${name} needs ${needed} bytes of ${location}, which has ${data.size} (it may be truncated).`,
        );
      }
      found.sizeBytes += data.size;
    }
    return found;
  } finally {
    await handle.close();
  }
}

/** Reads protobuf fields at given positions through one window, so that a file of gigabytes costs a few reads. */
class Walker {
  private readonly handle: FileHandle;
  private readonly size: number;
  private window = new Uint8Array(0);
  private windowStart = 0;

  constructor(handle: FileHandle, size: number) {
    this.handle = handle;
    this.size = size;
  }

  async bytes(start: number, end: number): Promise<Uint8Array> {
    if (start < this.windowStart || end > this.windowStart + this.window.length) {
      const length = Math.min(Math.max(end - start, 1 << 16), this.size - start);
      const buffer = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await this.handle.read(buffer, filled, length - filled, start + filled);
        if (bytesRead === 0) throw new Error('it ends early');
        filled += bytesRead;
      }
      this.window = buffer;
      this.windowStart = start;
    }
    return this.window.subarray(start - this.windowStart, end - this.windowStart);
  }

  /** Calls `visit` for each field between two positions, with where its value begins and ends. */
  async fields(
    start: number,
    end: number,
    visit: (field: number, start: number, end: number) => Promise<void>,
  ): Promise<void> {
    let position = start;
    while (position < end) {
      // A tag and a length take at most 20 bytes.
      const reader = new BinaryReader(await this.bytes(position, Math.min(position + 20, end)));
      const [field, wireType] = reader.tag();
      if (wireType === WireType.LengthDelimited) {
        const length = reader.uint32();
        const from = position + reader.pos;
        if (from + length > end) throw new Error('a length in it exceeds its size');
        await visit(field, from, from + length);
        position = from + length;
      } else if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) {
        throw new Error('it has a field that ONNX does not define');
      } else {
        reader.skip(wireType, field);
        position += reader.pos;
      }
    }
  }
}

async function initializer(
  walker: Walker,
  start: number,
  end: number,
  found: OnnxFile,
  external: Map<string, number>,
): Promise<void> {
  let dataType = 0;
  let inline = 0;
  const where: Record<string, string> = {};
  if (end - start > readWhole) {
    // Only the bytes of weights are this long; the data type comes before them.
    const reader = new BinaryReader(await walker.bytes(start, Math.min(start + 1024, end)));
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 2) dataType = reader.int32();
      else if (wireType === WireType.LengthDelimited && field !== 1 && field !== 8) break;
      else reader.skip(wireType, field);
    }
    inline = end - start;
  } else {
    const reader = new BinaryReader(await walker.bytes(start, end));
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 2) dataType = reader.int32();
      else if (field === 13) {
        const [key, value] = pair(reader.bytes());
        where[key] = value;
      } else inline += reader.skip(wireType, field).length;
    }
  }
  let bytes = inline;
  if (where.location !== undefined) {
    const offset = Number(where.offset ?? 0);
    bytes = Number(where.length ?? 0);
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(bytes) || offset < 0 || bytes < 0) {
      throw new Error('the place of its external data is not a number');
    }
    external.set(where.location, Math.max(external.get(where.location) ?? 0, offset + bytes));
  }
  found.weightBytes.set(dataType, (found.weightBytes.get(dataType) ?? 0) + bytes);
}

function pair(bytes: Uint8Array): [key: string, value: string] {
  const reader = new BinaryReader(bytes);
  let [key, value] = ['', ''];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else reader.skip(wireType, field);
  }
  return [key, value];
}

/** ValueInfoProto { name, type { tensor_type { elem_type, shape { dim { dim_value | dim_param } } } } } */
function valueInfo(bytes: Uint8Array): OnnxValue {
  const value: OnnxValue = { name: '', dataType: 0, shape: [] };
  each(bytes, (field, reader) => {
    if (field === 1) value.name = reader.string();
    else if (field === 2) {
      each(reader.bytes(), (type, typeReader) => {
        if (type !== 1) return false;
        each(typeReader.bytes(), (part, tensor) => {
          if (part === 1) value.dataType = tensor.int32();
          else if (part === 2) {
            each(tensor.bytes(), (dim, shape) => {
              if (dim !== 1) return false;
              let size: number | string = '';
              each(shape.bytes(), (kind, reader) => {
                if (kind === 1) size = Number(reader.int64());
                else if (kind === 2) size = reader.string();
                else return false;
                return true;
              });
              value.shape.push(size);
              return true;
            });
          } else return false;
          return true;
        });
        return true;
      });
    } else return false;
    return true;
  });
  return value;
}

/** Calls `visit` for each field; it returns false to have the field skipped. */
function each(bytes: Uint8Array, visit: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!visit(field, reader)) reader.skip(wireType, field);
  }
}
