/** Entry of the process that reads what model folders and files hold. A hostile one costs this process and nothing else. */
import { describeModel } from '../checkpoints/describe.js';

process.on('message', ({ id, path }) => {
  void describeModel(path).then((model) => process.send?.({ id, model }));
});
process.on('disconnect', () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the parent decides when to end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
//# sourceMappingURL=describing.js.map
