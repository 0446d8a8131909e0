import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server as NetServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { connect } from '../../clients/typescript/index.ts';
import { packageRoot } from '../../server/packageRoot.ts';
import { chromiumPath, launchChromium } from '../helpers/chromium.ts';
import { openProject } from '../helpers/project.ts';
import { startTestServer } from '../helpers/server.ts';

// The examples of docs/deploy as they stand, but for ports and certificates, run by the real proxies where they are
// installed. nginx and caddy are no more needed than a browser is; continuous integration has nginx.

const hasNginx = spawnSync('nginx', ['-v']).status === 0;
const hasCaddy = spawnSync('caddy', ['version']).status === 0;
if (!hasNginx && process.env.LATENTWIRE_REQUIRE_NGINX) throw new Error('No nginx was found.');

async function freePort(): Promise<number> {
  const probe: NetServer = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The first or second server of the nginx example, on a port of this machine. */
async function nginxConfig(which: 0 | 1, port: number, upstream: number): Promise<string> {
  const example = await readFile(path.join(packageRoot, 'docs', 'deploy', 'nginx.conf'), 'utf8');
  const [common = '', ...servers] = example.split(/^server \{/m);
  const user = os.userInfo().uid === 0 ? 'user root;' : '';
  const site = `${common}server {${servers[which]}`
    .replaceAll('127.0.0.1:7420', `127.0.0.1:${upstream}`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replaceAll(/^ *ssl_.*$/gm, '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
  return `${user} daemon off; pid nginx.pid; error_log stderr; events {}
    http { access_log off; ${temporary.join(' ')} ${site} }`;
}

async function caddyConfig(which: 0 | 1, port: number, upstream: number): Promise<string> {
  const example = await readFile(path.join(packageRoot, 'docs', 'deploy', 'Caddyfile'), 'utf8');
  const [, ...sites] = example.split(/^(?=\w\S+ \{$)/m);
  const site = sites[which]!.replace(/^\S+ \{/, `http://127.0.0.1:${port} {`).replace(
    '127.0.0.1:7420',
    `127.0.0.1:${upstream}`,
  );
  return `{\n\tadmin off\n\tauto_https off\n}\n${site}`;
}

const proxies = [
  {
    name: 'nginx',
    there: hasNginx,
    config: nginxConfig,
    run: (folder: string, file: string) => spawn('nginx', ['-p', folder, '-c', file]),
  },
  {
    name: 'Caddy',
    there: hasCaddy,
    config: caddyConfig,
    run: (folder: string, file: string) => {
      const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
      return spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', file], { env });
    },
  },
];

describe.each(proxies)('behind $name', ({ there, config, run }) => {
  let proxy: ChildProcess | undefined;

  afterEach(async () => {
    if (proxy === undefined || proxy.exitCode !== null) return;
    const ended = once(proxy, 'exit');
    proxy.kill('SIGTERM');
    await ended;
  });

  test.skipIf(!there).each([
    { place: 'a host of its own', which: 0 as const, prefix: '' },
    { place: 'a path of another site', which: 1 as const, prefix: '/paint' },
  ])('$place serves the page, sockets, uploads and images', async ({ which, prefix }) => {
    await using project = await openProject();
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    await using server = await startTestServer({ publicUrl: origin + prefix });
    let said = '';
    proxy = run(project.folder, await project.write('proxy.conf', await config(which, port, server.port)));
    proxy.stderr!.on('data', (chunk) => (said += chunk));
    await expect
      .poll(() =>
        fetch(`${origin}${prefix}/health`).then(
          (response) => response.status,
          () => said || 'no answer',
        ),
      )
      .toBe(200);

    using client = connect({ url: `${origin}${prefix}/` });
    // Larger than the megabyte that nginx takes unless it is told otherwise.
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const large = await sharp({ create: { width: 900, height: 900, channels: 3, background: 'teal', noise } })
      .png()
      .toBuffer();
    expect(large.length).toBeGreaterThan(1_500_000);
    const { imageURL: seedImage } = await client.upload(large);
    const { imageURL } = await client.generate({ positivePrompt: 'a fox', seedImage, strength: 0.5 }).result;
    expect(imageURL.startsWith(`${origin}${prefix}/images/`)).toBe(true);
    expect((await fetch(imageURL)).headers.get('content-type')).toBe('image/jpeg');

    const posted = await fetch(`${origin}${prefix}/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([{ taskType: 'ping', ping: true }]),
    });
    expect(await posted.json()).toMatchObject({ data: [{ pong: true }] });

    if (chromiumPath === undefined) return;
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      const failed: string[] = [];
      page.on('response', (response) => response.status() >= 400 && failed.push(response.url()));
      // Without the slash, as people type it.
      await page.goto(`${origin}${prefix}`);
      await page.locator('#connection[data-state="open"]').waitFor();
      await page.locator('#prompt').fill('a fox');
      await page.locator('#prompt').press('Control+Enter');
      await page.locator('#pictures img[data-step="finished"]').waitFor();
      expect(failed).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
