import * as z from 'zod';
import { boolean, described, taskKind, UUID } from '../parameters.ts';
import { type PreviewOptions, previews } from '../previews.ts';

/** The first task of a connection. It has no taskUUID. */
export interface AuthenticationTask {
  taskType: 'authentication';
  /** Absent or empty where the client has none; whether that is enough is the server's decision. */
  apiKey?: string | undefined;
  /** The session to resume. */
  connectionSessionUUID?: string | undefined;
  /** Default of the session's imageInference tasks. */
  previews?: PreviewOptions | false | undefined;
  /** Default of the session's imageInference tasks. */
  progress?: boolean | undefined;
  /** Whether results of asynchronous tasks are sent when they are finished. Absent: what helps the client that it seems to be. */
  push?: boolean | undefined;
}

const shape = {
  taskType: z.literal('authentication'),
  apiKey: described(z.string().max(1024).optional(), { type: 'string', rule: 'a string of at most 1024 characters' }),
  // Whatever is wrong with it, a fresh session is the answer: clients that are refused here reconnect forever.
  connectionSessionUUID: z.string().regex(UUID).optional().catch(undefined),
  previews,
  progress: boolean(false),
  push: boolean(),
};

export const authentication = taskKind(shape, (task): AuthenticationTask => task);
