/** Processes that measure: each has a time limit, and its death is a row of the table. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Finding } from './report.ts';

/** A line of a measuring process's output, as JSON. Other lines are ignored. */
export type Told =
  /** A case begins; if the process dies now, this is what it died of. It is ended where it takes longer. */
  { begin: string; limitMs?: number } | { row: Finding & { state: 'measured' | 'skipped' | 'failed' } };

export interface Measured {
  /** How the process ended, where it did not end well. */
  death: string | undefined;
  /** Cases that began, in order. */
  begun: string[];
  /** Of the last case, when the process died in it. */
  dead: string | undefined;
}

const alive = new Set<ChildProcess>();

/** Ends all measuring processes and what they started. */
export function killAll(): void {
  for (const child of alive) killGroup(child);
}

function killGroup({ pid }: ChildProcess): void {
  try {
    // The process leads a group of its own, which its server and that server's runtime belong to.
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

/** Runs a process until it ends or its time is over; never rejects. */
export function measure(options: {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  limitMs: number;
  onRow: (row: Finding & { state: 'measured' | 'skipped' | 'failed' }) => void;
}): Promise<Measured> {
  const { command, args, limitMs, onRow } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: options.env ?? process.env,
    });
    alive.add(child);
    const begun: string[] = [];
    let open = false;
    let late: number | undefined;
    let lastWords = '';
    const endAfter = (ms: number) =>
      setTimeout(() => {
        late = ms;
        killGroup(child);
      }, ms);
    const timer = endAfter(limitMs);
    let ofCase: NodeJS.Timeout | undefined;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = read(line);
      if (told === undefined) return;
      clearTimeout(ofCase);
      if ('begin' in told) {
        begun.push(told.begin);
        open = true;
        if (told.limitMs !== undefined) ofCase = endAfter(told.limitMs);
      } else {
        open = false;
        onRow(told.row);
      }
    });
    child.stderr.on('data', (data: Buffer) => {
      lastWords = (lastWords + data.toString()).slice(-2000);
    });
    const end = (death: string | undefined) => {
      clearTimeout(timer);
      clearTimeout(ofCase);
      // A server that outlived its parent would go on using the device.
      killGroup(child);
      alive.delete(child);
      resolve({ death, begun, dead: death !== undefined && open ? begun.at(-1) : undefined });
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    // `close` comes when all output has been read; what a killed process leaves alive holds it open no longer than that.
    child.once('exit', () => killGroup(child));
    child.once('close', (code, signal) => {
      if (late !== undefined) return end(`took longer than ${Math.round(late / 100) / 10} s`);
      if (code === 0) return end(undefined);
      const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
      const said = sentenceOf(lastWords);
      end(said === '' ? `the process ${how}` : `the process ${how}: ${said}`);
    });
  });
}

function read(line: string): Told | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    // A server's log has lines of JSON too.
    const told = JSON.parse(line) as object;
    return 'begin' in told || 'row' in told ? (told as Told) : undefined;
  } catch {
    return undefined;
  }
}

/** The line of an error's output that says what happened. */
export function sentenceOf(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const said = lines.findLast((line) => /error|fail|exception|lost|memory|cannot/i.test(line));
  return (said ?? lines.findLast((line) => line !== '') ?? '').slice(0, 300);
}
