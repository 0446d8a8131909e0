import pino, { type Logger, type LoggerOptions } from 'pino';

export type { Logger } from 'pino';

/** Logs lines of JSON to stderr: a fixed sentence and fields. Prompts, images and keys are never given to it. */
export function createLog(level: string): Logger {
  // Written at once: the last lines before a crash are the ones that matter.
  return pino(logOptions(level), pino.destination({ dest: 2, sync: true }));
}

/** The redaction is for the day somebody logs a whole task or request by mistake. */
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
