import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runProgram } from '../../clients/cli/program.ts';

/** The program as it is installed: the build's file, in a process of its own. */
const program = path.join(import.meta.dirname, '..', '..', 'dist', 'clients', 'cli', 'main.js');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** @param cwd - where it runs, and its home */
export function start(
  args: string[],
  env: Record<string, string> = {},
  cwd = os.tmpdir(),
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
  });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (ended.stdout += text));
  child.stderr.on('data', (text) => (ended.stderr += text));
  return {
    child,
    ended: new Promise((resolve) => {
      child.on('close', (code) => resolve({ ...ended, code }));
    }),
  };
}

export function run(...args: string[]): Promise<Ended> {
  return start(args).ended;
}

/**
 * The same in this process, from the sources, which spares half a second of starting. One at a time: the process has one
 * environment and one working folder.
 */
export async function runHere(args: string[], env: Record<string, string>, cwd: string): Promise<Ended> {
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  const { PATH } = process.env;
  const before = { env: { ...process.env }, cwd: process.cwd() };
  const streams = (['stdout', 'stderr'] as const).map((name) => {
    const { write } = process[name];
    process[name].write = ((text: string) => {
      ended[name] += text;
      return true;
    }) as typeof write;
    return () => {
      process[name].write = write;
    };
  });
  // What is logged goes past `write`.
  setEnvironment({ ...(PATH !== undefined && { PATH }), HOME: cwd, LATENTWIRE_LOG_LEVEL: 'silent', ...env });
  process.chdir(cwd);
  try {
    return Object.assign(ended, { code: await runProgram(args) });
  } finally {
    process.chdir(before.cwd);
    setEnvironment(before.env);
    for (const restore of streams) restore();
  }
}

/** The variables themselves, not another object: the system's functions read them too, and processes inherit them. */
function setEnvironment(variables: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, variables);
}

/** Bytes of the files below a folder whose paths fit. */
export async function bytesOf(folder: string, fits: RegExp): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = names.filter((name) => fits.test(name)).map(async (name) => (await stat(path.join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
