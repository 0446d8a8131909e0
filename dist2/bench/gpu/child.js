/** A measuring process: one kind of measurement on one device, told as lines of JSON. Started by main.ts. */
import { measureAdapter } from './adapter.js';
import { Cases } from './cases.js';
import { measureCorrectness } from './correctness.js';
import { measureEmbedded } from './embedded.js';
import { measureMixed } from './mixed.js';
import { measureNetworks } from './networks.js';
import { measurePeak } from './peak.js';

const kinds = {
  adapter: measureAdapter,
  peak: measurePeak,
  correctness: measureCorrectness,
  embedded: measureEmbedded,
  sd15: (cases) => measureNetworks(cases, 'sd15'),
  sdxl: (cases) => measureNetworks(cases, 'sdxl'),
  mixed: measureMixed,
};
const question = JSON.parse(process.argv[2]);
const cases = new Cases(question);
await kinds[question.kind](cases);
cases.end();
// Sessions of a GPU that are still open may hold the process.
process.exit(0);
//# sourceMappingURL=child.js.map
