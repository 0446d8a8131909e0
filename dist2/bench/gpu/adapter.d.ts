import { type Cases } from './cases.ts';
export declare function measureAdapter(cases: Cases): Promise<void>;
