import { type PreviewOptions } from '../previews.ts';
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
export declare const authentication: import('../parameters.ts').TaskKind<AuthenticationTask>;
