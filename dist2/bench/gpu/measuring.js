/** Processes that measure: each has a time limit, and its death is a row of the table. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const alive = new Set();
/** Ends all measuring processes and what they started. */
export function killAll() {
  for (const child of alive) killGroup(child);
}
function killGroup({ pid }) {
  try {
    // The process leads a group of its own, which its server and that server's runtime belong to.
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}
/** Runs a process until it ends or its time is over; never rejects. */
export function measure(options) {
  const { command, args, limitMs, onRow } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: options.env ?? process.env,
    });
    alive.add(child);
    const begun = [];
    let open = false;
    let late = false;
    let lastWords = '';
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, limitMs);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = read(line);
      if (told === undefined) return;
      if ('begin' in told) {
        begun.push(told.begin);
        open = true;
      } else {
        open = false;
        onRow(told.row);
      }
    });
    child.stderr.on('data', (data) => {
      lastWords = (lastWords + data.toString()).slice(-2000);
    });
    const end = (death) => {
      clearTimeout(timer);
      // A server that outlived its parent would go on using the device.
      killGroup(child);
      alive.delete(child);
      resolve({ death, begun, dead: death !== undefined && open ? begun.at(-1) : undefined });
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    // `close` comes when all output has been read; what a killed process leaves alive holds it open no longer than that.
    child.once('exit', () => killGroup(child));
    child.once('close', (code, signal) => {
      if (late) return end(`took longer than ${Math.round(limitMs / 1000)} s`);
      if (code === 0) return end(undefined);
      const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
      const said = sentenceOf(lastWords);
      end(said === '' ? `the process ${how}` : `the process ${how}: ${said}`);
    });
  });
}
function read(line) {
  if (!line.startsWith('{')) return undefined;
  try {
    // A server's log has lines of JSON too.
    const told = JSON.parse(line);
    return 'begin' in told || 'row' in told ? told : undefined;
  } catch {
    return undefined;
  }
}
/** The line of an error's output that says what happened. */
export function sentenceOf(text) {
  const lines = text.split('\n').map((line) => line.trim());
  const said = lines.findLast((line) => /error|fail|exception|lost|memory|cannot/i.test(line));
  return (said ?? lines.findLast((line) => line !== '') ?? '').slice(0, 300);
}
//# sourceMappingURL=measuring.js.map
