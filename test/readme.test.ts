import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TableName, tables, withTable } from '../docs/tables.ts';
import { parseRequest, parseTask } from '../protocol/tasks/index.ts';
import { completeConfig } from '../server/config/config.ts';
import { packageRoot } from '../server/packageRoot.ts';
import { linkPackage, openProject, type Project, runFile } from './helpers/project.ts';

// What the documentation shows is run as it stands, with the built package, against the built server and the embedded
// model; only the port is another. A block that cannot be run says why in a comment before it.

const documents = [
  'README.md',
  'clients/typescript/README.md',
  ...(await readdir(path.join(packageRoot, 'docs')))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

interface Snippet {
  name: string;
  language: string;
  text: string;
  /** Why it is not run. */
  excuse: string | undefined;
}

const snippets = documents.flatMap((file): Snippet[] => {
  const text = readFileSync(path.join(packageRoot, file), 'utf8');
  return [...text.matchAll(/(?:^<!-- not run: (.*?) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, excuse, language = '', code = ''] = match;
    return { name: `${file}, line ${text.slice(0, match.index).split('\n').length}`, language, text: code, excuse };
  });
});
const written = (...languages: string[]) => snippets.filter(({ language }) => languages.includes(language));

describe('the documentation', () => {
  it.each(Object.keys(tables) as TableName[])('has the table of %s that the code makes', (name) => {
    const { old, text } = withTable(name);
    expect(old, 'run `npm run docs` to write it again').toBe(text);
  });

  it('keeps the README to 120 lines', () => {
    expect(readFileSync(path.join(packageRoot, 'README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(121);
  });

  it.each([...documents, 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'protocol/PROTOCOL.md'])(
    'links to files and headings that exist: %s',
    (file) => {
      const text = readFileSync(path.join(packageRoot, file), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '');
      const missing = [...text.matchAll(/\]\(([^)\s]+)\)/g)].filter(([, target = '']) => {
        if (/^https?:/.test(target)) return false;
        const [name = '', heading] = target.split('#');
        const linked = name === '' ? path.join(packageRoot, file) : path.resolve(packageRoot, path.dirname(file), name);
        if (!existsSync(linked)) return true;
        return heading !== undefined && !headingsOf(readFileSync(linked, 'utf8')).includes(heading);
      });
      expect(missing.map(([, target]) => target)).toEqual([]);
    },
  );

  it('shows languages that are tried here, or are no programs', () => {
    const known = ['ts', 'sh', 'json', 'yaml'];
    expect(snippets.filter(({ language }) => !known.includes(language)).map(({ name }) => name)).toEqual([]);
  });

  const taken = written('json').filter(({ excuse }) => excuse === undefined);
  it.each(taken)('shows tasks and config files that are taken: $name', ({ text }) => {
    const value = JSON.parse(text);
    if (Array.isArray(value)) for (const task of parseRequest(text)) parseTask(task);
    else completeConfig(value);
  });
});

describe('a snippet', () => {
  let project: Project;
  let program: ChildProcess;
  let port: string;

  beforeAll(async () => {
    project = await openProject();
    await linkPackage(project, 'latentwire', packageRoot);
    // As `npm pack ./clients/typescript` builds it, but into this project.
    const client = path.join(packageRoot, 'clients', 'typescript');
    const target = path.join('node_modules', 'latentwire-client');
    await project.write(path.join(target, 'package.json'), readFileSync(path.join(client, 'package.json'), 'utf8'));
    const compiler = path.join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    const outDir = path.join(project.folder, target, 'dist');
    await runFile(process.execPath, [compiler, '-p', client, '--outDir', outDir]);
    for (const name of ['@runware/sdk-js', '@types/node', 'ws']) await linkPackage(project, name);
    const command = path.join(packageRoot, 'dist', 'clients', 'cli', 'main.js');
    await project.write('bin/npx', `#!/bin/sh\nshift\nexec "${process.execPath}" "${command}" "$@"\n`);
    await runFile('chmod', ['+x', path.join(project.folder, 'bin', 'npx')]);
    program = spawn(
      process.execPath,
      [command, 'serve', '--port', '0', '--data-dir', path.join(project.folder, 'data'), '--threads', '1'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    port = await new Promise((resolve, reject) => {
      createInterface({ input: program.stdout! }).on('line', (line) => {
        const [, found] = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/.exec(line) ?? [];
        if (found) resolve(found);
      });
      program.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    });
  });

  afterAll(async () => {
    if (program?.exitCode === null) {
      const ended = new Promise((resolve) => program.once('exit', resolve));
      program.kill('SIGTERM');
      await ended;
    }
    await project?.[Symbol.asyncDispose]();
  });

  const here = (text: string) => text.replaceAll('127.0.0.1:7420', `127.0.0.1:${port}`);
  const environment = () => ({
    PATH: `${path.join(project.folder, 'bin')}:${process.env.PATH}`,
    HOME: project.folder,
    // The commands look for their server at the usual port.
    LATENTWIRE_URL: `http://127.0.0.1:${port}`,
  });

  it('in TypeScript compiles strictly, with the declarations of this package', async () => {
    const files = written('ts').map(({ text }, index) => ({ file: `snippet${index}.ts`, text }));
    for (const { file, text } of files) await project.write(file, here(text));
    await project.compile(
      files.map(({ file }) => file),
      ['node'],
    );
  });

  it.each(
    written('ts')
      .map((snippet, index) => ({ ...snippet, index }))
      .filter(({ excuse }) => excuse === undefined),
  )('in TypeScript runs and ends: $name', async ({ index }) => {
    const { stdout } = await runFile(process.execPath, [`snippet${index}.js`], {
      cwd: project.folder,
      env: environment(),
    });
    expect(stdout).not.toBe('');
  });

  it.each(written('sh').filter(({ excuse }) => excuse === undefined))('for the shell runs: $name', async ({ text }) => {
    const { stdout } = await runFile('bash', ['-euo', 'pipefail', '-c', here(text)], {
      cwd: project.folder,
      env: environment(),
    });
    expect(stdout).not.toContain('"errors"');
    expect(stdout).not.toBe('');
  });
});

function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
