import type { PartSource } from '../families/family.ts';
/** Where the weights of a component are. */
export type ComponentSource =
  | {
      kind: 'onnx';
      file: string;
    }
  | SafetensorsSource;
/** Weights of which a graph is written here. */
export type SafetensorsSource = {
  kind: 'safetensors';
} & PartSource;
