/** Between the host and the device, and how large a tensor may be. */
import type { Provider } from '../../runtime/onnx/providers.ts';
import { type Cases } from './cases.ts';
export declare function measureTransfers(cases: Cases, provider: Provider): Promise<void>;
