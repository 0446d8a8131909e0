import { type Cases } from './cases.ts';
import { type ShapeName } from './shapes.ts';
/** Pixels and rows of a step, in the order of worth. */
export declare const steps: readonly (readonly [pixels: number, rows: number])[];
export declare function measureNetworks(cases: Cases, name: ShapeName): Promise<void>;
