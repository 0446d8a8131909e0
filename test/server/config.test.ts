import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  ConfigError,
  completeConfig,
  defaultConfig,
  loadConfig,
  options,
  optionsHelp,
  optionsTable,
} from '../../server/config/config.ts';
import { startServer } from '../../server/index.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'latentwire-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: unknown): string {
  const name = path.join(folder, `${Math.random()}.json`);
  writeFileSync(name, typeof content === 'string' ? content : JSON.stringify(content));
  return name;
}

test('has the defaults when nothing is given', () => {
  expect(loadConfig([], {})).toEqual(defaultConfig());
  expect(defaultConfig()).toMatchObject({
    host: '127.0.0.1',
    port: 7420,
    device: ['auto'],
    apiKey: [],
    allowOpen: false,
  });
});

test('takes a flag before a variable, a variable before the file, the file before the default', () => {
  const config = file({ port: 1, queueLimit: 1, previewSize: 64, logLevel: 'warn' });
  const env = { LATENTWIRE_PORT: '2', LATENTWIRE_QUEUE_LIMIT: '2' };
  expect(loadConfig(['--config', config, '--port', '3'], env)).toMatchObject({
    port: 3,
    queueLimit: 2,
    previewSize: 64,
    logLevel: 'warn',
    maxPixels: defaultConfig().maxPixels,
  });
  expect(loadConfig([], { ...env, LATENTWIRE_CONFIG: config })).toMatchObject({ port: 2, previewSize: 64 });
});

test('reads lists from repeated flags, from one variable, and from the file', () => {
  expect(loadConfig(['--api-key', 'a', '--api-key=b'], {}).apiKey).toEqual(['a', 'b']);
  expect(loadConfig([], { LATENTWIRE_API_KEY: 'a, b' }).apiKey).toEqual(['a', 'b']);
  expect(loadConfig(['--config', file({ apiKey: ['a', 'b'] })], {}).apiKey).toEqual(['a', 'b']);
  expect(loadConfig(['--config', file({ apiKey: 'a' })], {}).apiKey).toEqual(['a']);
  const key = { key: 'b', weight: 2, maxPriority: 5, overtakes: true, queueLimit: 20, runLimit: 4 };
  expect(loadConfig(['--config', file({ apiKey: ['a', key] })], {}).apiKey).toEqual(['a', key]);
  for (const wrong of [
    {},
    { key: '' },
    { key: 'k', weight: 0 },
    { key: 'k', maxPriority: 10 },
    { key: 'k', wait: 1 },
  ]) {
    const given = ['--config', file({ apiKey: [key, wrong] })];
    expect(() => loadConfig(given, {}), JSON.stringify(wrong)).toThrow(ConfigError);
  }
  expect(() => loadConfig(['--config', file({ modelsDir: [key] })], {})).toThrow(ConfigError);
});

test('reads the rows of a call, or that they are to be found out', () => {
  expect(defaultConfig().batchSize).toBe(0);
  expect(loadConfig(['--batch-size', 'auto'], {}).batchSize).toBe(0);
  expect(loadConfig(['--config', file({ batchSize: 4 })], {}).batchSize).toBe(4);
  for (const wrong of ['0', '65', '2.5', 'many']) {
    expect(() => loadConfig(['--batch-size', wrong], {})).toThrow(/must be auto or a whole number from 1 to 64/);
  }
});

test('reads switches', () => {
  expect(loadConfig(['--allow-private-urls'], {}).allowPrivateUrls).toBe(true);
  expect(loadConfig([], { LATENTWIRE_ALLOW_PRIVATE_URLS: 'true' }).allowPrivateUrls).toBe(true);
  expect(
    loadConfig(['--config', file({ allowPrivateUrls: true })], { LATENTWIRE_ALLOW_PRIVATE_URLS: '0' }).allowPrivateUrls,
  ).toBe(false);
});

test('reads sizes in bytes or with a unit', () => {
  const sizes = { '8GB': 8e9, '7500 MiB': 7500 * 2 ** 20, '1.5gib': 1.5 * 2 ** 30, '8000000000': 8e9, '0': 0 };
  for (const [text, bytes] of Object.entries(sizes)) {
    expect(loadConfig(['--memory-limit', text], {}).memoryLimit).toBe(bytes);
  }
  expect(loadConfig(['--config', file({ memoryLimit: 8e9 })], {}).memoryLimit).toBe(8e9);
  expect(loadConfig([], {}).memoryLimit).toBeGreaterThan(0);
  expect(loadConfig([], {}).memoryLimit).toBeLessThan(os.totalmem());
});

test('takes an empty variable for none', () => {
  expect(loadConfig([], { LATENTWIRE_PORT: '' }).port).toBe(7420);
});

describe('the options of a program that starts a server', () => {
  test('are completed with the defaults, which are right as they are', () => {
    expect(completeConfig({})).toEqual(defaultConfig());
    expect(completeConfig({ ...defaultConfig() })).toEqual(defaultConfig());
    expect(completeConfig({ port: 0, host: undefined, apiKey: ['a', { key: 'b', weight: 2 }] })).toEqual({
      ...defaultConfig(),
      port: 0,
      apiKey: ['a', { key: 'b', weight: 2 }],
    });
  });

  // A wrong value of each kind for every option: none is taken as it is.
  const wrong: unknown[] = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '', ' ', {}, [{}], null, () => {}];
  test.each(Object.keys(options))('%s is checked', (name) => {
    const refused = wrong.filter((value) => {
      try {
        completeConfig({ [name]: value });
        return false;
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        expect((error as Error).message).toContain(`\`${name}\``);
        return true;
      }
    });
    // No text but an empty one is wrong for a folder or a name.
    expect(refused).toEqual(expect.arrayContaining([{}, [{}], null]));
    expect(refused.length).toBeGreaterThanOrEqual(4);
  });

  test('refuse a server before anything is started', async () => {
    await expect(startServer({ concurrency: 0 })).rejects.toThrow(
      '`concurrency` must be a whole number from 1 to 1024.',
    );
    await expect(startServer({ memoryLimit: 5 })).rejects.toThrow('`memoryLimit` must be 0 for no limit, or 1MB');
    await expect(startServer({ concurency: 2 } as object)).rejects.toThrow('Unknown option `concurency`.');
  });
});

describe('says in a sentence what is wrong', () => {
  test.each([
    [['--port', 'abc'], {}, '--port must be a whole number from 0 to 65535.'],
    [['--port', '70000'], {}, '--port must be a whole number from 0 to 65535.'],
    [[], { LATENTWIRE_PORT: '1.5' }, 'LATENTWIRE_PORT must be a whole number from 0 to 65535.'],
    [['--log-level', 'loud'], {}, '--log-level must be one of debug, info, warn, error, silent.'],
    [['--allowed-origins', 'example.org'], {}, '--allowed-origins must be a web origin'],
    [['--public-url', 'ftp://x'], {}, '--public-url must be an http or https URL.'],
    [['--host', ' '], {}, '--host must not be empty.'],
    [[], { LATENTWIRE_ALLOW_OPEN: 'maybe' }, 'LATENTWIRE_ALLOW_OPEN must be true or false.'],
    [['--max-models', '0'], {}, '--max-models must be a whole number from 1 to 1000.'],
    [['--memory-limit', '8 apples'], {}, '--memory-limit must be a size such as 8GB, 7500MiB or 8000000000'],
    [['--memory-limit=-1'], {}, '--memory-limit must be a size'],
    [['--memory-limit', '8'], {}, '--memory-limit must be 0 for no limit, or 1MB or more.'],
    [['--prot', '1'], {}, "Unknown option '--prot'"],
    [['serve'], {}, 'Unexpected argument'],
    [['--config', '/nowhere/x.json'], {}, 'The config file /nowhere/x.json cannot be read.'],
    [['--host', '0.0.0.0'], {}, 'Without an API key, everybody who can reach 0.0.0.0'],
  ])('%j %j', (argv, env, message) => {
    const run = () => loadConfig(argv, env);
    expect(run).toThrow(ConfigError);
    expect(run).toThrow(message);
    expect(new ConfigError('').exitCode).toBe(2);
  });

  test('of the file', () => {
    expect(() => loadConfig(['--config', file('{')], {})).toThrow('is not valid JSON');
    expect(() => loadConfig(['--config', file([])], {})).toThrow('must hold one JSON object');
    expect(() => loadConfig(['--config', file({ prot: 1 })], {})).toThrow('unknown option "prot"');
    expect(() => loadConfig(['--config', file({ port: 'x' })], {})).toThrow('must be a whole number');
    expect(() => loadConfig(['--config', file({ port: {} })], {})).toThrow('must be one plain value');
  });

  test('and never repeats the value, which may be a key', () => {
    expect(() => loadConfig(['--port', 'secret-key'], {})).not.toThrow('secret-key');
  });
});

test('listens beyond loopback with a key or on request', () => {
  expect(loadConfig(['--host', '0.0.0.0', '--api-key', 'k'], {}).host).toBe('0.0.0.0');
  expect(loadConfig(['--host', '::', '--allow-open'], {}).host).toBe('::');
  for (const host of ['localhost', '::1', '127.0.0.2']) expect(loadConfig(['--host', host], {}).host).toBe(host);
});

test('describes every option in the help and in the table of options', () => {
  for (const name of Object.keys(options)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    expect(optionsHelp()).toContain(flag);
    expect(optionsTable()).toContain(
      `| \`${flag}\` | \`LATENTWIRE_${flag.slice(2).replaceAll('-', '_').toUpperCase()}\` |`,
    );
  }
  for (const line of optionsHelp().split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});

describe('devices', () => {
  test('are one or several: from repeated flags, one variable, or a list in the file', () => {
    expect(loadConfig(['--device', 'CPU'], {}).device).toEqual(['cpu']);
    expect(loadConfig(['--device', 'cuda:0', '--device', 'cuda:1'], {}).device).toEqual(['cuda', 'cuda:1']);
    expect(loadConfig([], { LATENTWIRE_DEVICE: 'cuda:0,cuda:1' }).device).toEqual(['cuda', 'cuda:1']);
    expect(loadConfig(['--config', file({ device: ['cpu', 'cpu'] })], {}).device).toEqual(['cpu', 'cpu']);
    expect(completeConfig({ device: 'cpu' }).device).toEqual(['cpu']);
  });

  test.each([
    [['tpu'], '--device must be auto, cuda, webgpu, coreml, dml, cpu, or a GPU by its number such as cuda:1 or dml:1.'],
    [['cpu:1'], /^--device must be auto, /],
    [['cuda', 'cuda:0'], /^`device`: cuda \(which is cuda:0\) is named twice\. Only cpu may/],
    [['webgpu', 'cpu', 'webgpu'], /^`device`: webgpu is named twice/],
    [['auto', 'cpu'], '`device`: auto chooses one device and cannot be combined with others: name each device.'],
    [[''], /^`device`: No device is named\. There are: auto, cuda/],
  ])('%j are refused with the reason', (names, message) => {
    const load = () =>
      loadConfig(
        names.flatMap((name) => ['--device', name]),
        {},
      );
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(message);
  });

  test('have a limit for their memory, which is written as that of the machine', () => {
    expect(defaultConfig().deviceMemoryLimit).toBe(0);
    expect(loadConfig(['--device-memory-limit', '11GiB'], {}).deviceMemoryLimit).toBe(11 * 2 ** 30);
    expect(() => loadConfig(['--device-memory-limit', '11'], {})).toThrow(
      /^--device-memory-limit must be 0 for no limit/,
    );
  });
});
