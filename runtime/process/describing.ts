/** Entry of the process that reads what model folders and files hold. A hostile one costs this process and nothing else. */
import { describeModel } from '../checkpoints/describe.ts';
import type { Described, ToDescribe } from './describer.ts';

process.on('message', ({ id, path, parts }: ToDescribe) => {
  void describeModel(path, parts).then((model) => process.send?.({ id, model } satisfies Described));
});
process.on('disconnect', () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the parent decides when to end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
