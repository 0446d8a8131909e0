/** A value that an option does not take, said as a sentence. The command line ends with status 2. */
export declare class ConfigError extends Error {
  readonly exitCode = 2;
  constructor(message: string, options?: ErrorOptions);
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
/**
 * Every option, once. The key gives the flag (`--max-pixels`), the variable (`LATENTWIRE_MAX_PIXELS`) and the key of
 * the config file (`maxPixels`); help text and the table of docs/options.md are made from the same lines.
 */
export declare const options: {
  host: Option<string>;
  port: Option<number>;
  dataDir: Option<string>;
  imageQuota: {
    kind: 'value';
    placeholder: string;
    default: number;
    defaultText: string;
    doc: string;
    parse: typeof parseSize;
  };
  imageTtl: {
    kind: 'value';
    placeholder: string;
    default: number;
    defaultText: string;
    doc: string;
    parse: typeof parseDuration;
  };
  withoutMetadata: Option<boolean>;
  modelsDir: Option<string[]>;
  defaultModel: Option<string>;
  defaultVae: Option<string[]>;
  device: Option<string[]>;
  threads: Option<number>;
  precision: Option<'auto' | 'float16' | 'float32'>;
  weights: Option<'auto' | 'float16' | 'int4' | 'int8' | 'stored'>;
  batchSize: {
    kind: 'value';
    placeholder: string;
    default: number;
    defaultText: string;
    doc: string;
    parse: (value: string) => number;
  };
  maxModels: Option<number>;
  memoryLimit: {
    kind: 'value';
    placeholder: string;
    default: number;
    defaultText: string;
    doc: string;
    parse: typeof parseSize;
  };
  deviceMemoryLimit: {
    kind: 'value';
    placeholder: string;
    default: number;
    defaultText: string;
    doc: string;
    parse: typeof parseSize;
  };
  apiKey: Option<(string | ApiKey)[]>;
  allowOpen: Option<boolean>;
  allowedOrigins: Option<string[]>;
  publicUrl: Option<string>;
  trustedProxy: Option<string[]>;
  allowPrivateUrls: Option<boolean>;
  maxUploadBytes: Option<number>;
  maxPixels: Option<number>;
  maxOutputPixels: Option<number>;
  queueLimit: Option<number>;
  concurrency: Option<number>;
  queueOrder: Option<'arrival' | 'fair'>;
  sessionQueueLimit: Option<number>;
  sessionRunLimit: Option<number>;
  previewSize: Option<number>;
  sessionKeepMs: Option<number>;
  slowReaderMs: Option<number>;
  taskKeepMs: Option<number>;
  shutdownGraceMs: Option<number>;
  logLevel: Option<'debug' | 'error' | 'info' | 'silent' | 'warn'>;
};
type OptionName = keyof typeof options;
type ValueOf<O> = O extends Option<infer T> ? T : never;
/** All options with their values. */
export type Config = {
  [Name in OptionName]: ValueOf<(typeof options)[Name]>;
};
/** What the server is without flags, variables or file. */
export declare function defaultConfig(): Config;
/**
 * Reads the options; a flag wins over a variable, a variable over the config file (`--config`, `LATENTWIRE_CONFIG`), the
 * file over the default. `help` is left to the command line. Throws ConfigError.
 */
export declare function loadConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Config;
/**
 * The options of a program that starts a server: each value is checked as if it stood in the config file, and those left
 * out have their defaults. Throws ConfigError, also for a name that is no option.
 */
export declare function completeConfig(given: Readonly<Record<string, unknown>>): Config;
/** What one option alone cannot tell. Throws ConfigError. */
export declare function checkConfig(config: Config): void;
/** Whether only this machine can reach a server that listens there. */
export declare function isLoopbackHost(host: string): boolean;
/** The options as `--help` shows them. */
export declare function optionsHelp(): string;
/** The options as a Markdown table, for docs/options.md. */
export declare function optionsTable(): string;
export declare function parseSize(value: string): number;
/** Milliseconds of `30d`, `12h`, `90m` or `45s`. */
export declare function parseDuration(value: string): number;
