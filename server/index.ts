/// <reference lib="esnext.disposable" preserve="true" />
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type Runtime, startDescriber, startRuntime } from '../runtime/index.ts';
import { Catalog, type CatalogOptions } from './catalog/catalog.ts';
import { type Clock, systemClock, type Timer } from './clock.ts';
import { type Config, completeConfig } from './config/config.ts';
import { Keys } from './config/keys.ts';
import { Proxies } from './config/proxies.ts';
import type { Context } from './context.ts';
import { lockDataFolder } from './dataLock.ts';
import { Upgrades } from './dialects/runware/upgrade.ts';
import { Intake, maxRequestBytes } from './http/intake.ts';
import { createRequestListener } from './http/router.ts';
import { Gate } from './images/gate.ts';
import { openImageStore } from './images/store.ts';
import { TaskRecords } from './lifecycle/records.ts';
import { createLog, type Logger } from './log.ts';
import { Metrics } from './observe/metrics.ts';
import { Usage } from './observe/usage.ts';
import { packageRoot } from './packageRoot.ts';
import { Queue, shuttingDown } from './queue/queue.ts';
import { routes } from './routes.ts';
import { Sessions } from './sessions/sessions.ts';

export { type Config, ConfigError, loadConfig, optionsHelp, optionsTable } from './config/config.ts';

/** Time limit for closing sockets when the server stops. */
const closingMs = 2_000;
/** Time limits for the headers of a request and for the whole request. */
const headersMs = 15_000;
const requestMs = 300_000;
/** Bytes of unfinished requests of all clients without a key, if keys are set. */
const maxStrangerBytes = 8 * 2 ** 20;

/** Of Node's four threads for files and images; the others stay free for the server. */
const decodesAtOnce = 2;

/** Default: the defaults of the command line. */
export interface ServerOptions extends Partial<Config> {
  /** Default: a new one, closed with the server. A given one stays open. */
  runtime?: Runtime;
  /** Default: JSON lines on stderr, at `logLevel`. */
  log?: Logger;
  /** Describes a model folder; default: by the runtime, in a separate process. */
  describe?: CatalogOptions['describe'];
  /** Default: the system's. */
  clock?: Clock;
}

export interface Server extends AsyncDisposable {
  /** `http://HOST:PORT`; sockets connect to the same with `ws:`. */
  readonly url: string;
  readonly port: number;
  /**
   * Accepts no more tasks, fails those that have not started with `serviceUnavailable`, gives the others `graceMs`
   * (default: `shutdownGraceMs`), and closes all sockets with 1012, after which clients reconnect.
   */
  close(graceMs?: number): Promise<void>;
}

/** Starts a server. Resolves when it listens and its runtime is ready; rejects if either fails. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { runtime: givenRuntime, log: givenLog, describe: givenDescribe, clock = systemClock, ...given } = options;
  const config = completeConfig(given);
  const log = givenLog ?? createLog(config.logLevel);
  /** Closes everything opened so far, the last first. */
  const closers: (() => PromiseLike<void>)[] = [];
  const closeAll = async () => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };

  const httpServer = createServer({ headersTimeout: headersMs, requestTimeout: requestMs });
  let context: Context;
  let runtime: Runtime;
  try {
    // First, because everything after it writes to the folder.
    const lock = await lockDataFolder(config.dataDir, clock);
    closers.push(() => lock[Symbol.asyncDispose]());
    const describer = startDescriber();
    closers.push(() => describer.close());
    runtime = givenRuntime ?? (await startOwnRuntime(config, log));
    if (givenRuntime === undefined) closers.push(() => runtime.close());
    const records = new TaskRecords(config.taskKeepMs, clock);
    const keys = new Keys(config.apiKey, clock);
    const store = await openImageStore(path.join(config.dataDir, 'images'), {
      clock,
      quotaBytes: config.imageQuota,
      ttlMs: config.imageTtl,
      evicted: (image, reason) => metrics.imageEvicted(image.bytes, reason),
    });
    closers.push(() => store[Symbol.asyncDispose]());
    const metrics: Metrics = new Metrics(
      runtime,
      () => sessions.size,
      () => context.catalog.list(),
      () => store.usage(),
      clock,
    );
    const sessions = new Sessions({
      read: (imageUUID) => store.read(imageUUID),
      keepMs: config.sessionKeepMs,
      expired: (session) => records.abandon(session),
      attached: (session) => records.showPreviews(session),
      clock,
      meter: metrics,
    });
    context = {
      config,
      log,
      clock,
      runtime,
      records,
      catalog: new Catalog({
        modelsDirs: [path.join(packageRoot, 'models'), ...config.modelsDir],
        defaultModel: config.defaultModel,
        defaultVaes: config.defaultVae,
        describe: givenDescribe ?? ((path, parts) => describer.describe(path, parts)),
        log,
        clock,
      }),
      store,
      queue: new Queue(runtime, {
        clock,
        limit: config.queueLimit,
        concurrency: config.concurrency * config.device.length,
        order: config.queueOrder,
        claimantLimit: config.sessionQueueLimit,
        claimantRuns: config.sessionRunLimit,
        policyOf: (owner) => keys.policyOf(owner),
      }),
      sessions,
      keys,
      metrics,
      usage: new Usage(clock),
      proxies: new Proxies(config.trustedProxy),
      intake: new Intake({ maxBytes: unfinishedBytes(config), maxStrangerBytes }),
      fetches: new Gate({ atOnce: 12, perOwner: 4 }),
      decodes: new Gate({ atOnce: decodesAtOnce, perOwner: 1 }),
      url: '',
      closing: false,
    };
    await runtime.ready();
    // So that the first task does not wait for the first scan.
    await context.catalog.list();
    await listen(httpServer, config);
  } catch (error) {
    await closeAll();
    throw error;
  }
  const { port } = httpServer.address() as AddressInfo;
  context.url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;

  const upgrades = new Upgrades(context);
  const listener = createRequestListener(routes, context);
  httpServer.on('request', listener);
  // Without this, Node would request the body before the check of the key.
  httpServer.on('checkContinue', listener);
  httpServer.on('upgrade', (request, socket, head) => upgrades.handle(request, socket, head));
  const { images, bytes, quotaBytes } = context.store.usage();
  log.info({ images, bytes, quotaBytes, ttlMs: config.imageTtl }, 'The image store is open.');
  log.info({ url: context.url, provider: runtime.status().provider, open: context.keys.open }, 'The server listens.');

  let closed: Promise<void> | undefined;
  async function close(graceMs: number): Promise<void> {
    context.closing = true;
    log.info({ unfinished: context.records.unfinished().length, graceMs }, 'The server stops.');
    context.queue.close();
    for (const record of context.records.unfinished()) if (!record.started) record.fail(shuttingDown());
    const ended = Promise.all(context.records.unfinished().map((record) => record.ended));
    let grace: Timer | undefined;
    await Promise.race([
      ended,
      new Promise<void>((resolve) => {
        grace = clock.after(graceMs, resolve);
      }),
    ]);
    grace?.cancel();
    for (const record of context.records.unfinished()) record.fail(shuttingDown());
    // 1012, service restart: on 1000 and 1001 one of the Python clients waits for five minutes.
    for (const socket of upgrades.sockets) socket.close(1012, 'the server restarts');
    const stopped = new Promise<void>((resolve) => httpServer.close(() => resolve()));
    httpServer.closeIdleConnections();
    const cut = clock.after(closingMs, () => {
      for (const socket of upgrades.sockets) socket.terminate();
      httpServer.closeAllConnections();
    });
    await stopped;
    cut.cancel();
    upgrades.close();
    context.sessions.close();
    await closeAll();
  }

  return {
    url: context.url,
    port,
    close(graceMs = config.shutdownGraceMs) {
      closed ??= close(graceMs);
      return closed;
    },
    [Symbol.asyncDispose]() {
      closed ??= close(0);
      return closed;
    },
  };
}

async function startOwnRuntime(config: Config, log: Logger): Promise<Runtime> {
  return startRuntime({
    provider: config.device,
    precision: config.precision,
    weights: config.weights,
    packedFolder: path.join(config.dataDir, 'weights'),
    log: (level, message, fields) => log[level](fields ?? {}, message),
    maxModels: config.maxModels,
    memoryLimitBytes: config.memoryLimit,
    deviceMemoryLimitBytes: config.deviceMemoryLimit,
    liveRuns: config.concurrency,
    batchesFile: path.join(config.dataDir, 'batches.json'),
    ...(config.batchSize > 0 && { rowsPerCall: config.batchSize }),
    ...(config.threads > 0 && { threads: config.threads }),
  });
}

/** Two of the largest requests fit at once, and small ones beside them. */
function unfinishedBytes({ maxUploadBytes }: Config): number {
  return 2 * maxRequestBytes(maxUploadBytes) + 32 * 2 ** 20;
}

function listen(server: HttpServer, config: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
