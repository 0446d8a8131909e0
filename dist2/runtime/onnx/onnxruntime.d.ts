import type * as Onnxruntime from 'onnxruntime-node';
export declare const env: Onnxruntime.Env,
  InferenceSession: Onnxruntime.InferenceSessionFactory,
  Tensor: Onnxruntime.TensorConstructor,
  listSupportedBackends: () => import('onnxruntime-node/dist/binding').Binding.SupportedBackend[];
export type InferenceSession = Onnxruntime.InferenceSession;
export type Tensor = Onnxruntime.Tensor;
export type SessionOptions = Onnxruntime.InferenceSession.SessionOptions;
export type ValueMap = Onnxruntime.InferenceSession.OnnxValueMapType;
export type ValueMetadata = Onnxruntime.InferenceSession.ValueMetadata;
