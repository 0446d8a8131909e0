import type { Runtime } from '../runtime/index.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/config.ts';
import type { Keys } from './config/keys.ts';
import type { Proxies } from './config/proxies.ts';
import type { Intake } from './http/intake.ts';
import type { Gate } from './images/gate.ts';
import type { ImageStore } from './images/store.ts';
import type { TaskRecords } from './lifecycle/records.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './observe/metrics.ts';
import type { Usage } from './observe/usage.ts';
import type { Queue } from './queue/queue.ts';
import type { Sessions } from './sessions/sessions.ts';

/** The parts of one running server, made once by `startServer`. */
export interface Context {
  readonly config: Config;
  readonly log: Logger;
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly catalog: Catalog;
  readonly store: ImageStore;
  readonly queue: Queue;
  readonly records: TaskRecords;
  readonly sessions: Sessions;
  readonly keys: Keys;
  readonly metrics: Metrics;
  readonly usage: Usage;
  readonly proxies: Proxies;
  readonly intake: Intake;
  /** Gate for downloads of images. */
  readonly fetches: Gate;
  /** Gate for decoding client images. */
  readonly decodes: Gate;
  /** Address of the server; set once it listens. */
  url: string;
  /** Set by the first signal to stop: no more tasks are accepted. */
  closing: boolean;
}
