/** A measuring process: one kind of measurement on one device, told as lines of JSON. Started by main.ts. */
import { measureAdapter } from './adapter.ts';
import { Cases, type Question } from './cases.ts';
import { measureCorrectness } from './correctness.ts';
import { measureEmbedded } from './embedded.ts';
import { measureMixed } from './mixed.ts';
import { measureNetworks } from './networks.ts';
import { measurePeak } from './peak.ts';
import { measureTransformers } from './transformers.ts';

const kinds: Record<string, (cases: Cases) => Promise<void>> = {
  adapter: measureAdapter,
  peak: measurePeak,
  correctness: measureCorrectness,
  embedded: measureEmbedded,
  sd15: (cases) => measureNetworks(cases, 'sd15'),
  klein: (cases) => measureTransformers(cases, 'klein'),
  sdxl: (cases) => measureNetworks(cases, 'sdxl'),
  'z-image': (cases) => measureTransformers(cases, 'z-image'),
  mixed: measureMixed,
};

const question = JSON.parse(process.argv[2]!) as Question;
const cases = new Cases(question);
await kinds[question.kind]!(cases);
cases.end();
// Sessions of a GPU that are still open may hold the process.
process.exit(0);
