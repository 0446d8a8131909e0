import { type Cases } from './cases.ts';
/** The embedded model. */
export declare const pocket: string;
export declare function measureCorrectness(cases: Cases): Promise<void>;
