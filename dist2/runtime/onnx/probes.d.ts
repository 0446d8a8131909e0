/** What of a provider can be trusted: its answers are compared with those of plainer graphs on the same device. */
import { type Precision } from '../graphs/builder.ts';
import { type DelicateOperator } from '../graphs/precision.ts';
import type { Provider } from './providers.ts';

type Device = Pick<Provider, 'name' | 'deviceId'>;
/** What float16 is good for on a device. */
export interface HalfTrust {
  /** Absent: products and convolutions come out as in float32. Else why float16 is not used. */
  complaint?: string;
  /** Operators that give wrong answers in float16, and are computed in float32. */
  widened: DelicateOperator[];
}
/** Tries float16 on a device. Never rejects. */
export declare function tryHalf(device: Device): Promise<HalfTrust>;
/**
 * Whether onnxruntime's fused attention can be trusted here: it is compared with the same written out. Its WebGPU kernel
 * takes paths that depend on the GPU, and some gave wrong pictures without any error (its issues 26064 and 26715; seen
 * here with SwiftShader, from 32 positions on).
 */
export declare function attentionOn(device: Device, precision: Precision): Promise<'fused' | 'plain'>;
