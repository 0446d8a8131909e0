// Stands in for the runtime's process where a test needs one that behaves badly on command; speaks runtime/messages.ts.
// A request's prompt is its script, a JSON list of steps:
//   { event }       says this event; { event, memoryBytes } with the memory that the process claims to take
//   { loaded }      says that the model is held, in so many bytes
//   { fail }        ends the run with this error
//   { waitMs }      keeps silent
//   { die: path }   ends the process, if the request needs that file
let last = Promise.resolve();

process.on('message', (message) => {
  if (message.type === 'start') {
    process.send({ type: 'ready', provider: 'cpu', reason: 'a test asked for it' });
  }
  if (message.type === 'generate') last = last.then(() => play(message.run, message.request));
});
process.on('disconnect', () => process.exit(0));

async function play(run, request) {
  const { model, prompt, controlNets = [], loras = [] } = request;
  const files = [model, ...controlNets.map((net) => net.model), ...loras.map(({ path }) => path)];
  for (const step of JSON.parse(prompt)) {
    if (step.event) process.send({ type: 'reported', run, event: step.event, memoryBytes: step.memoryBytes });
    if (step.loaded) process.send({ type: 'loaded', model, memoryBytes: step.loaded });
    if (step.fail) process.send({ type: 'failed', run, error: step.fail });
    if (step.waitMs) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    if (files.includes(step.die)) process.kill(process.pid, 'SIGKILL');
  }
}
