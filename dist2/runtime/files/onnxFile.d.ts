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
export declare class OnnxFileError extends Error {
  readonly name = 'OnnxFileError';
}
/**
 * Walks the fields of a model without loading its weights, and checks that every length stays inside the file and that
 * external data lies where the model says: onnxruntime would find out too, but only after starting to load.
 */
export declare function inspectOnnxFile(file: string): Promise<OnnxFile>;
