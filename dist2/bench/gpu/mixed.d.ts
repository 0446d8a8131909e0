import type { Cases } from './cases.ts';
export declare function measureMixed(cases: Cases): Promise<void>;
