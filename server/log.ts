import pino, { type Logger, type LoggerOptions } from 'pino';

export type { Logger } from 'pino';

/**
 * Logs to stderr: a fixed sentence and fields, as JSON lines, or as text on a terminal. It never gets prompts, images
 * or keys.
 */
export function createLog(level: string): Logger {
  if (process.stderr.isTTY) return pino(logOptions(level), { write: (line) => process.stderr.write(plainText(line)) });
  // Written synchronously: the last lines before a crash matter most.
  return pino(logOptions(level), pino.destination({ dest: 2, sync: true }));
}

/** A log line as text: time of day, level, sentence and fields, in columns. */
export function plainText(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const severity = pino.levels.labels[Number(level)]?.toUpperCase() ?? '';
  const details = Object.entries(fields).map(
    // Words of clients must not control the terminal: text with control characters is quoted and escaped.
    ([name, value]) => `${name}=${typeof value === 'string' && !/\p{Cc}/u.test(value) ? value : JSON.stringify(value)}`,
  );
  const stack = (err as { stack?: string } | undefined)?.stack?.replace(/[^\P{Cc}\n]/gu, '');
  // Columns make sentences and fields easy to find.
  const sentence = details.length > 0 ? String(msg).padEnd(36) : msg;
  return `${localTime(String(time))} ${severity.padEnd(5)} ${[sentence, ...details].join('  ')}\n${stack === undefined ? '' : `${stack}\n`}`;
}

/** The local time of day of the server. */
function localTime(time: string): string {
  return new Date(time).toTimeString().slice(0, 8);
}

/** Redacts fields in case a task or request is logged by mistake. */
export function logOptions(level: string): LoggerOptions {
  const secrets = [
    'apiKey',
    'authorization',
    'positivePrompt',
    'negativePrompt',
    'prompt',
    'seedImage',
    'image',
    'media',
  ];
  return {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  };
}
