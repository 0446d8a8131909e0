import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

/**
 * Logs lines of JSON to stderr: a fixed sentence and fields. Prompts, images and keys are never given to it; the
 * redaction is for the day somebody logs a whole task or request by mistake.
 */
export function createLog(level: string): Logger {
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
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    // Written at once: the last lines before a crash are the ones that matter.
    pino.destination({ dest: 2, sync: true }),
  );
}
