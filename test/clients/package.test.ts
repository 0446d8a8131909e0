import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../server/packageRoot.ts';
import { chromiumPath, launchChromium } from '../helpers/chromium.ts';
import { linkPackage, openProject, type Project, runFile } from '../helpers/project.ts';
import { startTestServer } from '../helpers/server.ts';

// The package latentwire-client as npm packs it, in a project that has nothing else but its one dependency.

const name = 'latentwire-client';

describe(`the package ${name}`, () => {
  let project: Project;
  let tarball: string;

  beforeAll(async () => {
    project = await openProject();
    const target = path.join(project.folder, 'node_modules', 'latentwire-client');
    await mkdir(target, { recursive: true });
    const pack = ['pack', './clients/typescript', '--silent', '--pack-destination', project.folder];
    const { stdout } = await runFile('npm', pack, { cwd: packageRoot });
    tarball = path.join(project.folder, stdout.trim().split('\n').at(-1) ?? '');
    await runFile('tar', ['xzf', tarball, '-C', target, '--strip-components', '1']);
    await linkPackage(project, 'ws');
  });
  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
  });

  test('has the version of the server, depends on ws alone, and is small', async () => {
    const read = async (folder: string) => JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    const [own, whole] = [await read(path.join(packageRoot, 'clients', 'typescript')), await read(packageRoot)];
    expect(own.version).toBe(whole.version);
    expect(own.dependencies).toEqual({ ws: whole.dependencies.ws });
    expect((await stat(tarball)).size).toBeLessThan(40_000);
  });

  test('compiles strictly, its declarations included, without the types of Node', async () => {
    await project.write(
      'strict.ts',
      `import { connect, LatentwireError, type Client, type Preview } from '${name}';
       using client: Client = connect({ url: 'http://127.0.0.1:1', apiKey: 'key', reconnect: { attempts: 1 } });
       const generation = client.generate({ positivePrompt: 'a fox', lora: [{ model: 'local:pixel@1', weight: 0.8 }] });
       const previews: Preview[] = [];
       for await (const event of generation) if (event.event === 'previewed') previews.push(event);
       const blob = new Blob([previews[0]!.image], { type: previews[0]!.mime });
       const [lora] = await client.models({ category: 'lora' });
       export const said: [Blob, string | undefined, boolean] = [blob, lora?.air, new Error() instanceof LatentwireError];`,
    );
    await project.compile(['strict.ts']);
  });

  const program = (url: string) => `
    const events = [];
    const client = connect({ url: ${JSON.stringify(url)} });
    const generation = client.generate({ positivePrompt: 'a fox', steps: 3 });
    for await (const event of generation) events.push(event.event);
    const { imageURL } = await generation.result;
    const image = await fetch(imageURL);
    client.close();
    const seen = JSON.stringify({ started: events.includes('started'), last: events.at(-1), type: image.headers.get('content-type') });`;
  const expected = { started: true, last: 'result', type: 'image/jpeg' };

  test('draws from Node, and lets the program end', async () => {
    await using server = await startTestServer();
    const file = await project.write(
      'draw.mjs',
      `import { connect } from '${name}';${program(server.url)} console.log(seen);`,
    );
    const { stdout } = await runFile(process.execPath, [file], { cwd: project.folder });
    expect(JSON.parse(stdout)).toEqual(expected);
  });

  test.skipIf(chromiumPath === undefined)('draws from a page of another origin, without a bundler', async () => {
    const files = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://page');
      if (pathname === '/') {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end(
          '<script type="importmap">{ "imports": { "latentwire-client": "/node_modules/latentwire-client/dist/clients/typescript/index.js" } }</script>',
        );
        return;
      }
      response.writeHead(200, { 'content-type': 'text/javascript' });
      createReadStream(path.join(project.folder, pathname))
        .on('error', () => response.end())
        .pipe(response);
    });
    files.listen(0, '127.0.0.1');
    await once(files, 'listening');
    const origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
    await using server = await startTestServer({ allowedOrigins: [origin] });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(origin);
      const seen = await page.evaluate(
        `(async () => { const { connect } = await import(${JSON.stringify(name)}); ${program(server.url)} return seen; })()`,
      );
      expect(JSON.parse(String(seen))).toEqual(expected);
    } finally {
      await browser.close();
      files.close();
    }
  });
});
