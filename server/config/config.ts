import { readFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { checkDevices, deviceText, parseDevice, providerNames } from '../../runtime/index.ts';
import { parseProxy } from './proxies.ts';

/** An option has an invalid value; the message is a sentence. The command line ends with status 2. */
export class ConfigError extends Error {
  readonly exitCode = 2;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/** One option: its type, default and meaning. */
interface Option<T> {
  /** `value` takes one value, `list` several, `switch` none. */
  kind: 'value' | 'list' | 'switch';
  /** Name of the value in `--help`. */
  placeholder: string;
  default: T;
  /** The default in words, if the value itself is unclear. */
  defaultText?: string;
  /** Meaning, unit, and what happens at the limit. */
  doc: string;
  /** Turns the text of a flag or variable into the value, or throws a sentence that follows the option's name. */
  parse: (text: string) => T extends readonly (infer Item)[] ? Item : T;
  /** The same for an object in the config file, if an entry may be one. */
  parseObject?: (value: Record<string, unknown>) => T extends readonly (infer Item)[] ? Item : T;
}

/** An API key and the rights of its holders. */
export interface ApiKey {
  key: string;
  /** Share of the machine relative to other keys; default 1. */
  weight?: number;
  /** Highest `priority` of their tasks, 0 to 9; default 9. */
  maxPriority?: number;
  /** Whether its priorities also count against other keys' tasks; default false. */
  overtakes?: boolean;
  /** Unfinished results; default 0, no limit. */
  queueLimit?: number;
  /** Results handed to the runtime at once; default 0, no limit. */
  runLimit?: number;
}

const home = path.join(os.homedir(), '.latentwire');

/**
 * Every option. The key gives the flag (`--max-pixels`), the variable (`LATENTWIRE_MAX_PIXELS`) and the key of the config
 * file (`maxPixels`). The help text and the table of docs/options.md are generated from this object.
 */
export const options = {
  host: text(
    '127.0.0.1',
    'ADDRESS',
    'Address to listen on. Addresses other than loopback require an API key or `--allow-open`.',
  ),
  port: integer(7420, 0, 65_535, 'PORT', 'Port to listen on; 0 chooses a free port.'),
  dataDir: text(home, 'FOLDER', 'Folder for uploaded and generated images. The server creates it if it is missing.', {
    parse: (value) => path.resolve(value),
    defaultText: '~/.latentwire',
  }),
  imageQuota: {
    kind: 'value',
    placeholder: 'SIZE',
    default: 10e9,
    defaultText: '10GB',
    doc: 'Total size of all images, such as 10GB; 0 sets no limit. Above it the server deletes the least recently used images, but no pinned ones and none of unfinished tasks.',
    parse: parseSize,
  },
  imageTtl: {
    kind: 'value',
    placeholder: 'DURATION',
    default: 0,
    defaultText: '0, for ever',
    doc: 'How long the server keeps an image after its last use: 30d, 12h, 90m, 45s, or 0 for ever.',
    parse: parseDuration,
  },
  withoutMetadata: flag(
    'Write no metadata (prompts, model, seed, settings) into images, whatever tasks ask for. A single task can do that by `includeMetadata: false`.',
  ),
  modelsDir: list<string>(
    [path.join(home, 'models')],
    'FOLDER',
    'A folder with models. The embedded model is always available.',
    {
      parse: (value) => path.resolve(value),
      defaultText: '~/.latentwire/models',
    },
  ),
  defaultModel: text('local:pocket@1', 'AIR', 'Model of tasks that name none.'),
  defaultVae: list<string>(
    [],
    'AIR',
    'VAE for models without one, if the task names none: the first in this list that fits the architecture of the model. If the file of the VAE does not tell its architecture, write it first: `sdxl=local:my-vae@1`; sd means sd1x and sd2x.',
    { defaultText: 'none', parse: parseDefaultVae },
  ),
  device: list<string>(
    ['auto'],
    'NAME',
    'Device to compute on: auto, cpu, webgpu, cuda, coreml or dml; with several GPUs also cuda:1 or dml:1. auto uses the fastest device that starts. Several devices share the work, each in a separate process: `--device cuda:0 --device cuda:1`. If a device named here does not start, the server exits with the reason.',
    { defaultText: 'auto', parse: parseDeviceName },
  ),
  threads: integer(
    0,
    0,
    1024,
    'COUNT',
    'Threads of the CPU provider; 0 uses one for each core. If `--device` names cpu several times, 0 divides the cores among them.',
  ),
  precision: choice(
    'auto',
    ['auto', 'float32', 'float16'],
    'PRECISION',
    'Precision of the networks of safetensors models. auto uses float16 on a GPU that computes correctly in it, else float32. float16 halves the memory; if the GPU gives wrong results in it, the server exits with the reason. Models exported to ONNX keep their own precision.',
  ),
  weights: choice(
    'auto',
    ['auto', 'stored', 'int8', 'int4', 'float16'],
    'FORM',
    'Form of safetensors and GGUF weights in memory. stored holds GGUF blocks and 8-bit floats in 4 or 8 bits, and floats as floats. auto is stored, but holds networks of less than 400 MiB as floats, which is more exact. int8 and int4 hold the matrices of linear layers in 8 or 4 bits: less memory, lower picture quality. float16 holds all weights as floats (float32 if the network computes in it, as on a CPU). The server repacks weights once if their form differs from the file, into `weights` in the data folder, and maps them from there. It removes files of deleted models when it writes another.',
  ),
  batchSize: {
    kind: 'value',
    placeholder: 'auto|ROWS',
    default: 0,
    defaultText: 'auto',
    doc: 'Rows in one call of a network, from one or several results; a guided result is two rows. auto measures the best number once for each network, size and machine and keeps it in the data folder (`batches.json`). A number from 1 to 64 is used as it is: it may cost speed or memory, and the last bits of a picture may then depend on other running tasks.',
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
    'Models in memory on each device. To load one more, the server replaces the process of the device. Among the running results (`--concurrency`), those of loaded models then go first: at most 8 of them, for at most 10 s.',
  ),
  memoryLimit: {
    kind: 'value',
    placeholder: 'SIZE',
    default: fourFifthsOfMemory(),
    defaultText: '80 % of the memory',
    doc: 'Memory for models: a size such as 8GB or 7500MiB, or bytes; 0 sets no limit. A model that does not fit beside the others replaces them. On the CPU, a model larger than the limit has its text encoders, denoiser and autoencoder in memory one after the other; a model whose largest part does not fit is refused. Models of 16 bits count double on the CPU. The server replaces a process that exceeds the limit after a task. Several devices have equal parts of it.',
    parse: parseSize,
  },
  deviceMemoryLimit: {
    kind: 'value',
    placeholder: 'SIZE',
    default: 0,
    defaultText: '0, no limit',
    doc: 'Memory for models and pictures on each GPU, by an estimate: a size such as 11GB; 0 sets no limit. With it, models on a GPU do not count against `--memory-limit`. A model that does not fit beside the others replaces them; a model or picture larger than the limit is refused. No effect on the CPU.',
    parse: parseSize,
  },
  apiKey: list<string | ApiKey>(
    [],
    'KEY',
    'A key that clients must send. Prefer the variable or the file: other users of the machine can read flags. The file also takes {"key": "…", "weight": 2, "maxPriority": 5, "overtakes": false, "queueLimit": 20, "runLimit": 4}: the share of the machine, the highest priority of its tasks, whether their priority also counts against other keys, and how many unfinished and running results it may have (0: no limit).',
    {
      parseObject: parseApiKey,
      defaultText: 'none: everybody who can reach the server may use it',
    },
  ),
  allowOpen: flag(
    'Listen on other addresses than loopback without an API key. Everybody who can reach the port may then use the server.',
  ),
  allowedOrigins: list<string>(
    [],
    'ORIGIN',
    'A web origin (https://example.org) whose pages may use a server without API keys; `*` allows all. The server’s own page is always allowed.',
    {
      parse: parseOrigin,
      defaultText: 'none',
    },
  ),
  publicUrl: text('', 'URL', 'Base of image URLs, for a server behind a proxy.', {
    parse: parsePublicUrl,
    defaultText: 'the address of the request',
  }),
  trustedProxy: list<string>(
    [],
    'ADDRESS',
    'A reverse proxy in front of this server: an address, a network such as 10.0.0.0/8, `loopback` or `private`. The server reads the client’s address and URL from its `X-Forwarded-For`, `-Host` and `-Proto`, and ignores those headers from others.',
    { parse: parseTrustedProxy, defaultText: 'none' },
  ),
  allowPrivateUrls: flag(
    'Fetch image URLs of this machine and of private networks. Use it only if you trust every client with them.',
  ),
  maxUploadBytes: integer(
    32 * 1024 * 1024,
    1024,
    1024 ** 3,
    'BYTES',
    'Largest encoded image that the server accepts; a larger one is an error of its task. Requests may be 1.5 times as large, for base64.',
  ),
  maxPixels: integer(
    16_777_216,
    4096,
    1_000_000_000,
    'PIXELS',
    'Largest image that the server accepts, width × height. It checks the header before it decodes the image.',
  ),
  maxOutputPixels: integer(
    4_194_304,
    16_384,
    1_000_000_000,
    'PIXELS',
    'Largest picture to generate, width × height; a larger one is an error of its task. A picture that does not fit into `--memory-limit` with its model is refused too.',
  ),
  queueLimit: integer(
    100,
    1,
    100_000,
    'COUNT',
    'Results that may wait. Above it a task is answered with serviceUnavailable and the time to try again. A full queue still accepts tasks of a client that has less than its share of it.',
  ),
  concurrency: integer(
    16,
    1,
    1024,
    'COUNT',
    'Results that run on each device at once. The device alternates between them step by step and batches several in one call if that is faster. From 4 on, a quarter of the places is reserved for clients that have no running result.',
  ),
  queueOrder: choice(
    'fair',
    ['fair', 'arrival'],
    'ORDER',
    'Which waiting result starts next: fair takes that of the client with the least work for its weight, arrival the oldest. With arrival, priorities count only for keys that may overtake. Running results alternate in both orders, so `--concurrency 1` with arrival draws results one by one in the order of arrival.',
  ),
  sessionQueueLimit: integer(
    0,
    0,
    100_000,
    'COUNT',
    'Unfinished results of one session, or of all HTTP requests of one address; 0 sets no limit. Above it a task is answered with rateLimitExceeded and the time to try again.',
  ),
  sessionRunLimit: integer(
    0,
    0,
    1024,
    'COUNT',
    'Results of one session that run at once; 0 sets no limit. The others wait.',
  ),
  previewSize: integer(
    0,
    0,
    2048,
    'PIXELS',
    'Longer side of previews, if the task names no size; 0 sends them in the size of the decoder, and the client enlarges them.',
  ),
  sessionKeepMs: integer(
    180_000,
    0,
    86_400_000,
    'MS',
    'How long a session waits for its client to reconnect, in milliseconds. The client then gets the results of that time.',
  ),
  slowReaderMs: integer(
    60_000,
    100,
    3_600_000,
    'MS',
    'How long a client may read nothing while more than 256 KiB wait for it, in milliseconds. The server then closes its socket with 4008; the client can resume the session.',
  ),
  taskKeepMs: integer(
    3_600_000,
    120_000,
    86_400_000,
    'MS',
    'How long getResponse returns finished tasks, in milliseconds. Their images stay.',
  ),
  shutdownGraceMs: integer(
    20_000,
    0,
    3_600_000,
    'MS',
    'How long running tasks may continue after SIGTERM or SIGINT, in milliseconds.',
  ),
  logLevel: choice(
    'info',
    ['debug', 'info', 'warn', 'error', 'silent'],
    'LEVEL',
    'Lowest level of log lines on stderr.',
  ),
} satisfies Record<string, Option<unknown>>;

type OptionName = keyof typeof options;
type ValueOf<O> = O extends Option<infer T> ? T : never;

/** All options with their values. */
export type Config = { [Name in OptionName]: ValueOf<(typeof options)[Name]> };

/** The options without flags, variables or file. */
export function defaultConfig(): Config {
  return Object.fromEntries(names().map((name) => [name, options[name].default])) as Config;
}

/**
 * Reads the options. A flag overrides a variable, a variable the config file (`--config`, `LATENTWIRE_CONFIG`), and the file
 * the default. The command line handles `help`. Throws ConfigError.
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
 * The options of a program that starts a server. It checks each value like one of the config file and adds the defaults.
 * Throws ConfigError, also for an unknown name.
 */
export function completeConfig(given: Readonly<Record<string, unknown>>): Config {
  const config: Record<string, unknown> = defaultConfig();
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(options, name)) {
      throw new ConfigError(`Unknown option \`${name}\`. Known: ${names().join(', ')}.`);
    }
    const option: Option<unknown> = options[name as OptionName];
    // No text stands for some defaults: 0 for `auto`, an empty text for none.
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

/** Checks options against each other. Throws ConfigError. */
export function checkConfig(config: Config): void {
  try {
    checkDevices(config.device);
  } catch (cause) {
    throw new ConfigError(`\`device\`: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  if (config.apiKey.length === 0 && !config.allowOpen && !isLoopbackHost(config.host)) {
    throw new ConfigError(
      `Without an API key, everybody who can reach ${config.host} could use the server. ` +
        'Set LATENTWIRE_API_KEY, or give --allow-open.',
    );
  }
}

/** Whether only this machine can reach a server that listens on that address. */
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
    // "Unknown option '--prot'. To specify a positional argument …": the first sentence is enough.
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
      // The message omits the value: it may be a key given to the wrong option.
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
  // Programs and parsed options give durations in milliseconds.
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
