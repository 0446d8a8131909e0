/** What tasks say about their results: form, delivery, and what is heard before them. */

import type * as z from 'zod';
import type { ImageFormat } from './events.ts';
import { boolean, choice, choices, integer, NO_CALLS, text, unsupported } from './parameters.ts';
import { imageFormat, type PreviewOptions, previews } from './previews.ts';

/** Ways to deliver an image; `imageURL` is always there. */
export type OutputType = 'URL' | 'base64Data' | 'dataURI';

export interface Delivery {
  outputType: OutputType[];
  outputFormat: ImageFormat;
  outputQuality: number;
  /** Seconds until the image is deleted. */
  ttl?: number | undefined;
  includeCost: boolean;
  /** Whether the file of a result tells how it was made. */
  includeMetadata: boolean;
  deliveryMethod: 'sync' | 'async';
  /** Absent: the session's default. */
  previews?: PreviewOptions | false | undefined;
  /** Whether to send queued, started and stepped. Absent: the session's default. */
  progress?: boolean | undefined;
  /** A newer task of the same lane supersedes this one while it is unfinished. */
  lane?: string | undefined;
  /** 0 to 9; higher ones first among the caller's own. */
  priority: number;
  /** Milliseconds from its arrival; a task that has not begun by then fails. */
  deadline?: number | undefined;
}

export const delivery = {
  outputType: choices(['URL', 'base64Data', 'dataURI'], 'URL'),
  outputFormat: imageFormat(),
  outputQuality: integer({ min: 20, max: 99, default: 95 }),
  ttl: integer({ min: 60, max: 31_536_000 }),
  includeCost: boolean(false),
  includeMetadata: boolean(true),
  deliveryMethod: choice(['sync', 'async'], 'sync'),
  previews,
  progress: boolean(false),
  lane: text({ min: 1, max: 64 }),
  priority: integer({ min: 0, max: 9, default: 0 }),
  deadline: integer({ min: 1, max: 86_400_000 }),
  uploadEndpoint: unsupported(NO_CALLS),
  webhookURL: unsupported(NO_CALLS),
};

export function deliveryOf(parsed: z.output<z.ZodObject<typeof delivery>>): Delivery {
  return {
    outputType: parsed.outputType ?? ['URL'],
    outputFormat: parsed.outputFormat ?? 'JPG',
    outputQuality: parsed.outputQuality ?? 95,
    ttl: parsed.ttl,
    includeCost: parsed.includeCost ?? false,
    includeMetadata: parsed.includeMetadata ?? true,
    deliveryMethod: parsed.deliveryMethod ?? 'sync',
    previews: parsed.previews,
    progress: parsed.progress,
    lane: parsed.lane,
    priority: parsed.priority ?? 0,
    deadline: parsed.deadline,
  };
}
