import { type Cases } from './cases.ts';
export declare function measureEmbedded(cases: Cases): Promise<void>;
