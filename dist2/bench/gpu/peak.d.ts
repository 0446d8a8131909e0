import type { Cases } from './cases.ts';
export declare function measurePeak(cases: Cases): Promise<void>;
