const stages = ['loading', 'encoding', 'denoising', 'decoding'];
/** Where the time of one task went, in milliseconds: what its line in the log says. */
export class TaskMeter {
  /** Until the runtime began with the first of its results; absent until then. */
  queuedMs;
  /** Summed over the finished results. */
  stages = { loadingMs: 0, encodingMs: 0, denoisingMs: 0, decodingMs: 0 };
  /** An AIR of the catalog. */
  model;
  #metrics;
  constructor(model, metrics) {
    this.model = model;
    this.#metrics = metrics;
  }
  /** Counts what a run of the task says, from its queueing on, and passes it on. */
  async *follow(events) {
    const run = new RunMeter(this, this.#metrics);
    try {
      for await (const event of events) {
        run.saw(event);
        yield event;
      }
    } finally {
      run.end();
    }
  }
}
class RunMeter {
  #labels;
  #task;
  #metrics;
  #queuedAt = performance.now();
  #state = 'waiting';
  /** Of the run in all, and those that were counted. */
  #steps = 0;
  #counted = 0;
  constructor(task, metrics) {
    this.#labels = { model: task.model };
    this.#task = task;
    this.#metrics = metrics;
    metrics.waiting.inc(this.#labels);
  }
  saw(event) {
    const metrics = this.#metrics;
    if (event.type !== 'queued' && this.#state === 'waiting') {
      // The first thing that the runtime says; before that the run may have waited there too.
      this.#state = 'running';
      metrics.waiting.dec(this.#labels);
      metrics.running.inc(this.#labels);
      const waitedMs = performance.now() - this.#queuedAt;
      metrics.waitSeconds.observe(this.#labels, waitedMs / 1000);
      this.#task.queuedMs ??= waitedMs;
    }
    if (event.type === 'started') this.#steps = event.steps;
    else if (event.type === 'stepped' || event.type === 'previewed') this.#countUpTo(event.step + 1);
    else if (event.type === 'finished') {
      this.#countUpTo(this.#steps);
      metrics.results.inc(this.#labels);
      for (const stage of stages) {
        const ms = event.timings[`${stage}Ms`];
        this.#task.stages[`${stage}Ms`] += ms;
        if (ms > 0 || stage !== 'loading') metrics.stageSeconds.observe({ ...this.#labels, stage }, ms / 1000);
      }
    }
  }
  /** Not every step is told. A run that began again is told of lower ones. */
  #countUpTo(steps) {
    const more = steps - (steps < this.#counted ? 0 : this.#counted);
    this.#counted = steps;
    this.#metrics.steps.inc(this.#labels, more);
  }
  end() {
    if (this.#state === 'waiting') this.#metrics.waiting.dec(this.#labels);
    if (this.#state === 'running') this.#metrics.running.dec(this.#labels);
    this.#state = 'ended';
  }
}
//# sourceMappingURL=taskMeter.js.map
