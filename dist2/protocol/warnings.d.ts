/** Warnings: what a task says that has no effect. They never change what a task does. */
import type * as z from 'zod';
import type { Warning } from './replies.ts';
/** Most warnings about one task; more would say the same again. */
export declare const MAX_WARNINGS = 16;
/** Finds what a task says in vain, at any depth that the parameters have. Looks at a task that was parsed without error. */
export declare function warningsOf(shape: z.ZodRawShape, raw: object): Warning[];
