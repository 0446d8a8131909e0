// Stands in for the runtime's process where a test needs one that behaves badly on command; speaks runtime/messages.ts.
// A request's prompt is its script, a JSON list of steps:
//   { event }       says this event; { event, memoryBytes } with the memory that the process claims to take
//   { loaded }      says that the model is held, in so many bytes
//   { fail }        ends the run with this error
//   { broken }      ends the run by saying that the provider fails everything, for this reason; with `deviceLost`, that the
//                   device is lost
//   { waitMs }      keeps silent
//   { waitFor }     keeps silent until there is a file of this path
//   { die: path }   ends the process, if the request needs that file
//   { trying }      says that it makes a call of so many rows for the first time; { tried } that it came back
//   { working }     says that it works on 'me', on 'all' runs under way, or on 'nobody'
// A step with { inFirst: file } is left out by all processes but the first that came to such a step, whose number is put there.
// Runs are played one after the other, but for those whose script begins with { atOnce: true }.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

let last = Promise.resolve();
const playing = new Set();

process.on('message', (message) => {
  if (message.type === 'start') {
    process.send({
      type: 'ready',
      provider: message.provider.split(':')[0],
      reason: `a test asked for ${message.threads ?? 'any number of'} threads`,
      precision: message.precision ?? (message.provider === 'cpu' ? 'float32' : 'float16'),
      precisionReason: 'a test asked for it',
    });
  }
  if (message.type === 'generate') {
    const { run, request } = message;
    if (JSON.parse(request.prompt)[0]?.atOnce) void play(run, request);
    else last = last.then(() => play(run, request));
  }
});
process.on('disconnect', () => process.exit(0));

async function play(run, request) {
  const { model, prompt, controlNets = [], loras = [], previews } = request;
  const files = [
    model,
    ...controlNets.map((net) => net.model),
    ...loras.map(({ path }) => path),
    previews?.tinyDecoder,
  ];
  playing.add(run);
  for (const step of JSON.parse(prompt)) {
    if (step.working) {
      process.send({ type: 'working', runs: { me: [run], all: [...playing], nobody: [] }[step.working] });
    }
    if (step.event) process.send({ type: 'reported', run, event: step.event, memoryBytes: step.memoryBytes });
    if (step.loaded) process.send({ type: 'loaded', model, memoryBytes: step.loaded });
    if (step.inFirst && !isFirst(step.inFirst)) continue;
    if (step.fail) process.send({ type: 'failed', run, error: step.fail });
    if (step.trying) process.send({ type: 'trying', calibration: step.trying });
    if (step.tried) process.send({ type: 'tried' });
    if (step.broken) process.send({ type: 'broken', run, reason: step.broken, deviceLost: step.deviceLost ?? false });
    if (step.fail || step.broken) break;
    if (step.waitMs) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    while (step.waitFor && !existsSync(step.waitFor)) await new Promise((resolve) => setTimeout(resolve, 5));
    if (step.die && files.includes(step.die)) process.kill(process.pid, 'SIGKILL');
  }
  playing.delete(run);
}

function isFirst(file) {
  if (!existsSync(file)) writeFileSync(file, String(process.pid));
  return readFileSync(file, 'utf8') === String(process.pid);
}
