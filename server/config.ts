import { readFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { checkDevices, deviceText, parseDevice, providerNames } from '../runtime/index.ts';
import { parseProxy } from './proxies.ts';

/** A value that an option does not take, said as a sentence. The command line ends with status 2. */
export class ConfigError extends Error {
  readonly exitCode = 2;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/** One option: what it takes, what it is without being given, and what it means. */
interface Option<T> {
  /** How often it may be given, and whether it needs a value at all. */
  kind: 'value' | 'list' | 'switch';
  /** Stands for the value in `--help`. */
  placeholder: string;
  default: T;
  /** The default in words, where the value itself says too little. */
  defaultText?: string;
  /** Meaning, unit, and what happens at the limit. */
  doc: string;
  /** Turns the text of a flag or variable into the value, or throws a sentence that follows the option's name. */
  parse: (text: string) => T extends readonly (infer Item)[] ? Item : T;
  /** The same for an object in the config file, where an entry may be one. */
  parseObject?: (value: Record<string, unknown>) => T extends readonly (infer Item)[] ? Item : T;
}

/** A key, and what its holders may do. */
export interface ApiKey {
  key: string;
  /** Part of the machine beside other keys'; default 1. */
  weight?: number;
  /** Highest `priority` of their tasks, 0 to 9; default 9. */
  maxPriority?: number;
  /** Whether priority goes before others' turns; default false. */
  overtakes?: boolean;
  /** Unfinished results; default 0, no limit. */
  queueLimit?: number;
  /** Results handed to the runtime at once; default 0, no limit. */
  runLimit?: number;
}

const home = path.join(os.homedir(), '.latentwire');

/**
 * Every option, once. The key gives the flag (`--max-pixels`), the variable (`LATENTWIRE_MAX_PIXELS`) and the key of
 * the config file (`maxPixels`); help text and the table of docs/options.md are made from the same lines.
 */
export const options = {
  host: text('127.0.0.1', 'ADDRESS', 'Address to listen on. Beyond loopback it takes an API key, or `--allow-open`.'),
  port: integer(7420, 0, 65_535, 'PORT', 'Port to listen on; 0 picks a free one.'),
  dataDir: text(home, 'FOLDER', 'Where uploaded and generated images are kept; created when missing.', {
    parse: (value) => path.resolve(value),
    defaultText: '~/.latentwire',
  }),
  imageQuota: {
    kind: 'value',
    placeholder: 'SIZE',
    default: 10e9,
    defaultText: '10GB',
    doc: 'Bytes of all images together: a size such as 10GB, or 0 for no limit. Beyond it, the images go that were not drawn from or fetched for longest; those of unfinished tasks and pinned ones stay.',
    parse: parseSize,
  },
  imageTtl: {
    kind: 'value',
    placeholder: 'DURATION',
    default: 0,
    defaultText: '0, for ever',
    doc: 'How long an image is kept after it was last drawn from or fetched: 30d, 12h, 90m, 45s, or 0 for ever.',
    parse: parseDuration,
  },
  withoutMetadata: flag(
    'Write into no image how it was drawn (prompts, model, seed and settings), whatever a task says. A task says it by `includeMetadata: false`.',
  ),
  modelsDir: list<string>(
    [path.join(home, 'models')],
    'FOLDER',
    'A folder whose subfolders are models. The embedded model is always there.',
    {
      parse: (value) => path.resolve(value),
      defaultText: '~/.latentwire/models',
    },
  ),
  defaultModel: text('local:pocket@1', 'AIR', 'The model of tasks that name none.'),
  defaultVae: list<string>(
    [],
    'AIR',
    'The VAE of tasks that name none, for models that hold none: the first one made for the model’s architecture. Before it may stand that architecture (`sdxl=local:my-vae@1`), where the file does not tell it; sd means sd1x and sd2x.',
    { defaultText: 'none', parse: parseDefaultVae },
  ),
  device: list<string>(
    ['auto'],
    'NAME',
    'What computes: auto, cpu, webgpu, cuda, coreml or dml; with several GPUs also cuda:1 or dml:1. auto takes the fastest that starts here. Several devices share the work, each in a process of its own: `--device cuda:0 --device cuda:1`. If one named here does not start, the server ends with the reason.',
    { defaultText: 'auto', parse: parseDeviceName },
  ),
  threads: integer(
    0,
    0,
    1024,
    'COUNT',
    'Threads of the CPU provider; 0 takes as many as there are cores, or their part of them where `--device` names cpu several times.',
  ),
  precision: choice(
    'auto',
    ['auto', 'float32', 'float16'],
    'PRECISION',
    'What the networks of safetensors models compute in. auto takes float16 on a GPU that gives the right numbers in it, and float32 on a CPU. float16 halves the memory; if the GPU gives wrong numbers in it, the server ends with the reason. Models exported to ONNX keep their own.',
  ),
  weights: choice(
    'auto',
    ['auto', 'stored', 'int8', 'int4', 'float16'],
    'FORM',
    'How networks with safetensors or GGUF weights hold them. stored keeps blocks of GGUF and 8-bit floats in 4 or 8 bits, and floats as floats; auto does so too, but holds small networks (less than 400 MiB) as floats, which is more exact. int8 and int4 hold the matrices of linear layers in so many bits, however they are stored: less memory, at some loss in the picture. float16 holds all weights as floats (float32 where the network computes in it, as on a CPU). What is held otherwise than it is stored is repacked once, into `weights` in the data folder, and mapped from there afterwards; files whose model is gone are removed when another one is written.',
  ),
  batchSize: {
    kind: 'value',
    placeholder: 'auto|ROWS',
    default: 0,
    defaultText: 'auto',
    doc: 'Rows that one call of a network may take, of one result or of several: a guided result is two rows. auto finds out what pays, once for each network, size and machine, and keeps it in the data folder (`batches.json`); a number from 1 to 64 is taken as it is, costs speed or memory where it is not the best, and lets pictures depend on what else is drawn in their last bits.',
    parse: (value) => {
      if (value.trim().toLowerCase() === 'auto') return 0;
      const rows = Number(value);
      if (!/^\d+$/.test(value.trim()) || rows < 1 || rows > 64)
        throw new Error('must be auto or a whole number from 1 to 64');
      return rows;
    },
  },
  maxModels: integer(
    2,
    1,
    1000,
    'COUNT',
    'Models held in memory at once, on each device. One more, and the process that holds them is replaced by one that loads what is needed now; of the results handed to it (`--concurrency`) those for models it holds go first, at most 8 of them and for at most 10 s.',
  ),
  memoryLimit: {
    kind: 'value',
    placeholder: 'SIZE',
    default: fourFifthsOfMemory(),
    defaultText: '80 % of the memory there is',
    doc: 'Memory for models: a size such as 8GB or 7500MiB, or bytes; 0 sets no limit. A model that would not fit beside the others makes them leave first. On the CPU, a model that does not fit whole has its text encoders, denoiser and autoencoder in memory one after the other; one whose largest part does not fit is refused. Models of 16 bits count double on the CPU. A process that is past it after a task is replaced. Several devices have equal parts of it.',
    parse: parseSize,
  },
  deviceMemoryLimit: {
    kind: 'value',
    placeholder: 'SIZE',
    default: 0,
    defaultText: '0, no limit',
    doc: 'Memory that models and pictures may take on each GPU, by an estimate: a size such as 11GB, or 0 for no limit. They count against this and no more against `--memory-limit`: a model that would not fit beside the others makes them leave first, and a model or picture too large for all of it is refused. No effect on the CPU.',
    parse: parseSize,
  },
  apiKey: list<string | ApiKey>(
    [],
    'KEY',
    'A key that clients must send. Prefer the variable or the file: other users of the machine can read flags. In the file also {"key": "…", "weight": 2, "maxPriority": 5, "overtakes": false, "queueLimit": 20, "runLimit": 4}: its part of the machine, the highest priority of its tasks, whether that goes before other keys’ turns, and how many results it may have unfinished and begun (0: no limit).',
    {
      parseObject: parseApiKey,
      defaultText: 'none: everybody who reaches the server may use it',
    },
  ),
  allowOpen: flag('Listen beyond loopback without any API key. Everybody who reaches the port can then use it.'),
  allowedOrigins: list<string>(
    [],
    'ORIGIN',
    'A web origin (https://example.org) whose pages may use a server without API keys; `*` allows all. The server’s own page always may.',
    {
      parse: parseOrigin,
      defaultText: 'none',
    },
  ),
  publicUrl: text('', 'URL', 'Base of image URLs, for a server behind a proxy.', {
    parse: parsePublicUrl,
    defaultText: 'the address the client came by',
  }),
  trustedProxy: list<string>(
    [],
    'ADDRESS',
    'A reverse proxy in front of this server: an address, a network such as 10.0.0.0/8, `loopback` or `private`. Its `X-Forwarded-For`, `-Host` and `-Proto` say who a client is and by what URL it came; those of others are not read.',
    { parse: parseTrustedProxy, defaultText: 'none' },
  ),
  allowPrivateUrls: flag(
    'Fetch image URLs that lead to this machine or to private networks. Only where every client is trusted with them.',
  ),
  maxUploadBytes: integer(
    32 * 1024 * 1024,
    1024,
    1024 ** 3,
    'BYTES',
    'Largest encoded image taken in; a larger one is an error of its task. Requests may be half as large again, for base64.',
  ),
  maxPixels: integer(
    16_777_216,
    4096,
    1_000_000_000,
    'PIXELS',
    'Largest image taken in, width × height; read from its header before anything is decoded.',
  ),
  maxOutputPixels: integer(
    4_194_304,
    16_384,
    1_000_000_000,
    'PIXELS',
    'Largest picture drawn, width × height; a larger one is an error of its task. One that would not fit into `--memory-limit` with its model is refused too.',
  ),
  queueLimit: integer(
    100,
    1,
    100_000,
    'COUNT',
    'Results that may wait. A task that would go beyond is answered with serviceUnavailable, which says when to try again; a client with less than its part of a full queue is let in.',
  ),
  concurrency: integer(
    16,
    1,
    1024,
    'COUNT',
    'Results handed to each device at once, which takes turns between them step by step and draws several in one call where that pays. From 4 on, a quarter is kept for clients that have none there.',
  ),
  queueOrder: choice(
    'fair',
    ['fair', 'arrival'],
    'ORDER',
    'Whose waiting result is handed over next: that of the client that has had the least work for its weight, or the one that came first. With arrival, priorities count only for keys that may overtake; those handed over take turns in either order, so with `--concurrency 1` results are drawn one by one as they came.',
  ),
  sessionQueueLimit: integer(
    0,
    0,
    100_000,
    'COUNT',
    'Unfinished results that one session may have, or all HTTP requests of one address; 0 sets no limit. A task that would go beyond is answered with rateLimitExceeded, which says when to try again.',
  ),
  sessionRunLimit: integer(
    0,
    0,
    1024,
    'COUNT',
    'Results of one session handed to the runtime at once; 0 sets no limit. The others wait.',
  ),
  previewSize: integer(
    0,
    0,
    2048,
    'PIXELS',
    'Longer side of previews, where the task names no size; 0 leaves them as small as the decoder makes them, for the client to enlarge.',
  ),
  sessionKeepMs: integer(
    180_000,
    0,
    86_400_000,
    'MS',
    'How long a session waits for its client to come back, in milliseconds; results made meanwhile are delivered then.',
  ),
  slowReaderMs: integer(
    60_000,
    100,
    3_600_000,
    'MS',
    'How long a client may take no result although more than 256 KiB wait for it, in milliseconds; then its socket is closed with 4008, and the session can be resumed.',
  ),
  taskKeepMs: integer(
    3_600_000,
    120_000,
    86_400_000,
    'MS',
    'How long finished tasks can be asked for with getResponse, in milliseconds. Their images stay.',
  ),
  shutdownGraceMs: integer(
    20_000,
    0,
    3_600_000,
    'MS',
    'How long running tasks may go on after SIGTERM or SIGINT, in milliseconds.',
  ),
  logLevel: choice('info', ['debug', 'info', 'warn', 'error', 'silent'], 'LEVEL', 'How much is logged to stderr.'),
} satisfies Record<string, Option<unknown>>;

type OptionName = keyof typeof options;
type ValueOf<O> = O extends Option<infer T> ? T : never;

/** All options with their values. */
export type Config = { [Name in OptionName]: ValueOf<(typeof options)[Name]> };

/** What the server is without flags, variables or file. */
export function defaultConfig(): Config {
  return Object.fromEntries(names().map((name) => [name, options[name].default])) as Config;
}

/**
 * Reads the options; a flag wins over a variable, a variable over the config file (`--config`, `LATENTWIRE_CONFIG`), the
 * file over the default. `help` is left to the command line. Throws ConfigError.
 */
export function loadConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Config {
  const given = parseFlags(argv);
  const file = given.config ?? env.LATENTWIRE_CONFIG;
  const fromFile = typeof file === 'string' && file !== '' ? readConfigFile(file) : {};
  const config: Record<string, unknown> = {};
  for (const name of names()) {
    const option: Option<unknown> = options[name];
    const flag = given[flagName(name)];
    const variable = env[variableName(name)];
    if (flag !== undefined) config[name] = fromTexts(option, `--${flagName(name)}`, flag);
    else if (variable !== undefined && variable !== '') {
      config[name] = fromTexts(
        option,
        variableName(name),
        option.kind === 'list' ? variable.split(/[,\s]+/) : variable,
      );
    } else if (fromFile[name] !== undefined && fromFile[name] !== null) {
      config[name] = fromJson(option, `"${name}" in ${file}`, fromFile[name]);
    } else config[name] = option.default;
  }
  const complete = config as Config;
  checkConfig(complete);
  return complete;
}

/**
 * The options of a program that starts a server: each value is checked as if it stood in the config file, and those left
 * out have their defaults. Throws ConfigError, also for a name that is no option.
 */
export function completeConfig(given: Readonly<Record<string, unknown>>): Config {
  const config: Record<string, unknown> = defaultConfig();
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(options, name)) {
      throw new ConfigError(`There is no option \`${name}\`. Known: ${names().join(', ')}.`);
    }
    const option: Option<unknown> = options[name as OptionName];
    // A default may be what no text stands for: 0 for `auto`, or an empty text for none.
    if (value === undefined || value === option.default) continue;
    if (typeof option.default === 'string' && typeof value !== 'string') {
      throw new ConfigError(`\`${name}\` must be a text.`);
    }
    config[name] = fromJson(option, `\`${name}\``, value);
  }
  const complete = config as Config;
  checkConfig(complete);
  return complete;
}

/** What one option alone cannot tell. Throws ConfigError. */
export function checkConfig(config: Config): void {
  try {
    checkDevices(config.device);
  } catch (cause) {
    throw new ConfigError(`\`device\`: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  if (config.apiKey.length === 0 && !config.allowOpen && !isLoopbackHost(config.host)) {
    throw new ConfigError(
      `Listening on ${config.host} without an API key would open the server to everybody who reaches it. ` +
        'Set LATENTWIRE_API_KEY, or give --allow-open if that is what you want.',
    );
  }
}

/** Whether only this machine can reach a server that listens there. */
export function isLoopbackHost(host: string): boolean {
  const address = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (address === 'localhost' || address.endsWith('.localhost')) return true;
  return net.isIPv4(address) ? address.startsWith('127.') : address === '::1';
}

/** The options as `--help` shows them. */
export function optionsHelp(): string {
  const rows = names().map((name) => {
    const option: Option<unknown> = options[name];
    const head = option.kind === 'switch' ? `--${flagName(name)}` : `--${flagName(name)} ${option.placeholder}`;
    const repeat = option.kind === 'list' ? ' May be given more than once.' : '';
    return { head, text: `${option.doc}${repeat} Default: ${defaultText(option)}.` };
  });
  rows.unshift({ head: '--config FILE', text: 'A JSON file with any of these options, in camelCase. Default: none.' });
  const width = Math.max(...rows.map(({ head }) => head.length)) + 4;
  return rows.map(({ head, text }) => `  ${head.padEnd(width - 2)}${wrap(text, width, 100)}`).join('\n');
}

/** The options as a Markdown table, for docs/options.md. */
export function optionsTable(): string {
  const rows = names().map((name) => {
    const option: Option<unknown> = options[name];
    const repeat = option.kind === 'list' ? ' Repeatable; in the variable separated by commas.' : '';
    return `| \`--${flagName(name)}\` | \`${variableName(name)}\` | ${escapeCell(defaultText(option))} | ${escapeCell(option.doc)}${repeat} |`;
  });
  return ['| Flag | Variable | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function names(): OptionName[] {
  return Object.keys(options) as OptionName[];
}

function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function variableName(name: string): string {
  return `LATENTWIRE_${flagName(name).replaceAll('-', '_').toUpperCase()}`;
}

type Flags = Record<string, string | boolean | (string | boolean)[] | undefined>;

function parseFlags(argv: readonly string[]): Flags {
  const known = Object.fromEntries(
    names().map((name) => {
      const { kind } = options[name];
      return [
        flagName(name),
        { type: kind === 'switch' ? ('boolean' as const) : ('string' as const), multiple: kind === 'list' },
      ];
    }),
  );
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { ...known, config: { type: 'string' } },
      allowPositionals: false,
      strict: true,
    });
    return values as Flags;
  } catch (cause) {
    // "Unknown option '--prot'. To specify a positional argument …": the first sentence says it.
    const said = cause instanceof Error ? cause.message.split('. ')[0] : String(cause);
    throw new ConfigError(`${said}. See latentwire serve --help.`, { cause });
  }
}

function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`The config file ${file} cannot be read.`, { cause });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`The config file ${file} is not valid JSON.`, { cause });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigError(`The config file ${file} must hold one JSON object.`);
  }
  for (const key of Object.keys(content)) {
    if (!Object.hasOwn(options, key)) {
      throw new ConfigError(`The config file ${file} has an unknown option "${key}". Known: ${names().join(', ')}.`);
    }
  }
  return content as Record<string, unknown>;
}

function fromTexts(option: Option<unknown>, name: string, given: Flags[string]): unknown {
  const parse = (text: string | boolean): unknown => {
    try {
      return option.parse(String(text));
    } catch (error) {
      // Never the value itself: it may be a key that was given to the wrong option.
      throw new ConfigError(`${name} ${error instanceof Error ? error.message : error}.`, { cause: error });
    }
  };
  if (option.kind === 'list')
    return [given]
      .flat()
      .filter((text) => text !== undefined && text !== '')
      .map((text) => parse(text ?? ''));
  return parse(Array.isArray(given) ? (given.at(-1) ?? '') : (given ?? ''));
}

function fromJson(option: Option<unknown>, name: string, value: unknown): unknown {
  const scalar = ['string', 'number', 'boolean'];
  const items = [value].flat();
  const { parseObject } = option;
  if (option.kind === 'list' && parseObject !== undefined && items.some(isObject)) {
    return items.flatMap((item): unknown => {
      try {
        return isObject(item) ? [parseObject(item)] : fromJson(option, name, item);
      } catch (error) {
        if (error instanceof ConfigError) throw error;
        throw new ConfigError(`${name} ${error instanceof Error ? error.message : error}.`, { cause: error });
      }
    });
  }
  if (!items.every((item) => scalar.includes(typeof item)) || (Array.isArray(value) && option.kind !== 'list')) {
    throw new ConfigError(`${name} must be ${option.kind === 'list' ? 'a list of texts' : 'one plain value'}.`);
  }
  // What a program gives, and what the parsed options hold, is milliseconds.
  const isMs = option.kind === 'value' && option.parse === parseDuration && typeof value === 'number';
  return fromTexts(option, name, option.kind === 'list' ? items.map(String) : `${value}${isMs ? 'ms' : ''}`);
}

function defaultText(option: Option<unknown>): string {
  if (option.defaultText !== undefined) return option.defaultText;
  if (option.kind === 'switch') return 'off';
  return String(option.default);
}

function parseDefaultVae(value: string): string {
  const [, architecture, name = value] = /^([^=]*)=(.*)$/.exec(value) ?? [];
  if (name.trim() === '') throw new Error('must name a VAE');
  if (architecture === undefined || ['sd', 'sd1x', 'sd2x', 'sdxl'].includes(architecture)) return value;
  throw new Error('must be the name of a VAE, or one of sd=, sd1x=, sd2x=, sdxl= and the name');
}

function parseDeviceName(value: string): string {
  try {
    return deviceText(parseDevice(value));
  } catch (cause) {
    throw new Error(`must be auto, ${providerNames().join(', ')}, or a GPU by its number such as cuda:1 or dml:1`, {
      cause,
    });
  }
}

function text(value: string, placeholder: string, doc: string, more: Partial<Option<string>> = {}): Option<string> {
  return { kind: 'value', placeholder, default: value, doc, parse: parseNonEmpty, ...more } as Option<string>;
}

function list<Item>(
  value: Item[],
  placeholder: string,
  doc: string,
  more: Partial<Option<Item[]>> = {},
): Option<Item[]> {
  return { kind: 'list', placeholder, default: value, doc, parse: parseNonEmpty, ...more } as Option<Item[]>;
}

function flag(doc: string): Option<boolean> {
  return {
    kind: 'switch',
    placeholder: '',
    default: false,
    doc,
    parse: (value) => {
      if (['true', '1', 'yes', 'on'].includes(value.toLowerCase())) return true;
      if (['false', '0', 'no', 'off'].includes(value.toLowerCase())) return false;
      throw new Error('must be true or false');
    },
  };
}

function choice<const Choice extends string>(
  value: NoInfer<Choice>,
  allowed: readonly Choice[],
  placeholder: string,
  doc: string,
): Option<Choice> {
  const parse = (given: string): Choice => {
    const found = allowed.find((candidate) => candidate === given.toLowerCase());
    if (found === undefined) throw new Error(`must be one of ${allowed.join(', ')}`);
    return found;
  };
  return {
    kind: 'value',
    placeholder,
    default: value,
    doc: `${doc} One of ${allowed.join(', ')}.`,
    parse,
  } as Option<Choice>;
}

function integer(value: number, min: number, max: number, placeholder: string, doc: string): Option<number> {
  const parse = (given: string): number => {
    const number = Number(given);
    if (!/^\d+$/.test(given.trim()) || number < min || number > max) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return number;
  };
  return { kind: 'value', placeholder, default: value, doc, parse };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const whole = (min: number, max: number) => ({
  rule: `a whole number from ${min} to ${max}`,
  fits: (value: unknown) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
});

const ofApiKey: { [Name in keyof Required<ApiKey>]: { rule: string; fits: (value: unknown) => boolean } } = {
  key: { rule: 'a text', fits: (value) => typeof value === 'string' && value.trim() !== '' },
  weight: {
    rule: 'a number above 0, up to 1000',
    fits: (value) => typeof value === 'number' && value > 0 && value <= 1000,
  },
  maxPriority: whole(0, 9),
  overtakes: { rule: 'true or false', fits: (value) => typeof value === 'boolean' },
  queueLimit: whole(0, 100_000),
  runLimit: whole(0, 1024),
};

function parseApiKey(given: Record<string, unknown>): ApiKey {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(ofApiKey, name))
      throw new Error(`has an entry with "${name}"; known are ${Object.keys(ofApiKey).join(', ')}`);
  }
  for (const [name, { rule, fits }] of Object.entries(ofApiKey)) {
    if (given[name] === undefined && name !== 'key') continue;
    if (!fits(given[name])) throw new Error(`has an entry whose "${name}" is not ${rule}`);
  }
  return given as unknown as ApiKey;
}

function parseNonEmpty(value: string): string {
  if (value.trim() === '') throw new Error('must not be empty');
  return value.trim();
}

function parseTrustedProxy(value: string): string {
  const proxy = parseProxy(value);
  if (proxy === undefined) throw new Error('must be an IP address, a network such as 10.0.0.0/8, loopback or private');
  return proxy;
}

function parseOrigin(value: string): string {
  if (value === '*' || value === 'null') return value;
  if (!URL.canParse(value)) throw new Error('must be a web origin such as https://example.org, or *');
  const { origin } = new URL(value);
  if (origin === 'null') throw new Error('must be a web origin such as https://example.org, or *');
  return origin;
}

/** A container's memory may be less than its machine's. */
function fourFifthsOfMemory(): number {
  const allowed = process.constrainedMemory();
  const whole = os.totalmem();
  return Math.floor((allowed > 0 ? Math.min(allowed, whole) : whole) * 0.8);
}

const sizeUnits: Record<string, number> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

export function parseSize(value: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(value.trim().toLowerCase()) ?? [];
  const factor = sizeUnits[unit ?? ''];
  const bytes = Math.floor(Number(number) * (factor ?? Number.NaN));
  if (!Number.isSafeInteger(bytes))
    throw new Error('must be a size such as 8GB, 7500MiB or 8000000000, or 0 for no limit');
  // A number without its unit, most likely: no model fits into less.
  if (bytes > 0 && bytes < 1e6) throw new Error('must be 0 for no limit, or 1MB or more');
  return bytes;
}

const durationUnits: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };

/** Milliseconds of `30d`, `12h`, `90m` or `45s`. */
export function parseDuration(value: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?(ms|[a-z]?)$/.exec(value.trim().toLowerCase()) ?? [];
  const ms = Math.floor(Number(number) * (durationUnits[unit] ?? (Number(number) === 0 ? 1 : Number.NaN)));
  if (!Number.isSafeInteger(ms)) throw new Error('must be a duration such as 30d, 12h, 90m or 45s, or 0');
  return ms;
}

function parsePublicUrl(value: string): string {
  if (value === '') return '';
  if (!URL.canParse(value) || !/^https?:\/\//i.test(value)) throw new Error('must be an http or https URL');
  return value.replace(/\/+$/, '');
}

function escapeCell(cell: string): string {
  return cell.replaceAll('|', '\\|');
}

function wrap(words: string, indent: number, width: number): string {
  const lines: string[] = [''];
  for (const word of words.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && indent + line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}
