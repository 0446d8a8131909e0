/** Entry of the process that describes model folders and files. A hostile file affects only this process. */
import { describeModel } from '../checkpoints/describe.ts';
import type { Described, ToDescribe } from './describer.ts';

process.on('message', ({ id, path, parts }: ToDescribe) => {
  void describeModel(path, parts).then((model) => process.send?.({ id, model } satisfies Described));
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent decides when to end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
