import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startRuntime } from '../../runtime/index.ts';
import { childEnvironment } from '../../runtime/process/environment.ts';

test('a child process is given what it needs and no secrets', () => {
  const needed = { PATH: '/bin', HOME: '/home/a', LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '0', LC_ALL: 'C' };
  const kept = { ...needed, NODE_OPTIONS: '--no-warnings', VK_ICD_FILENAMES: '/icd.json', SystemRoot: 'C:/Windows' };
  const secrets = {
    LATENTWIRE_API_KEY: 'one,two',
    LATENTWIRE_CONFIG: '/etc/latentwire.json',
    HF_TOKEN: 'hf',
    NODE_AUTH_TOKEN: 'npm',
    AWS_SECRET_ACCESS_KEY: 'aws',
    CUDA_API_KEY: 'named like a device',
    SSH_AUTH_SOCK: '/tmp/agent',
    DATABASE_URL: 'postgres://user:word@host',
  };
  expect(childEnvironment({ ...kept, ...secrets })).toEqual(kept);
});

// The environment of another process is read from /proc.
test.runIf(process.platform === 'linux')('the API keys of the server are not in the runtime process', async () => {
  process.env.LATENTWIRE_API_KEY = 'a-secret-key';
  try {
    await using runtime = startRuntime({ provider: 'cpu', log: () => {} });
    await runtime.ready();
    const environment = readFileSync(`/proc/${runtime.status().pid}/environ`, 'utf8');
    expect(environment).toContain('PATH=');
    // Or glibc keeps what closed graphs took.
    expect(environment).toContain('MALLOC_MMAP_THRESHOLD_=');
    expect(environment).not.toMatch(/LATENTWIRE|a-secret-key/);
  } finally {
    delete process.env.LATENTWIRE_API_KEY;
  }
});
