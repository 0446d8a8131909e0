import pino, {} from 'pino';
/**
 * Logs to stderr: a fixed sentence and fields, as lines of JSON, or as plain text where a person looks on at a terminal.
 * Prompts, images and keys are never given to it.
 */
export function createLog(level) {
  if (process.stderr.isTTY) return pino(logOptions(level), { write: (line) => process.stderr.write(plainText(line)) });
  // Written at once: the last lines before a crash are the ones that matter.
  return pino(logOptions(level), pino.destination({ dest: 2, sync: true }));
}
/** A line of the log as a person reads it: time of day, level, sentence and fields, each in its column. */
export function plainText(line) {
  const { level, time, msg, err, ...fields } = JSON.parse(line);
  const severity = pino.levels.labels[Number(level)]?.toUpperCase() ?? '';
  const details = Object.entries(fields).map(
    // A client's words must not steer the terminal: with control characters in it a text is quoted and escaped.
    ([name, value]) => `${name}=${typeof value === 'string' && !/\p{Cc}/u.test(value) ? value : JSON.stringify(value)}`,
  );
  const stack = err?.stack?.replace(/[^\P{Cc}\n]/gu, '');
  // Columns, so that the eye finds sentences and fields.
  const sentence = details.length > 0 ? String(msg).padEnd(36) : msg;
  return `${localTime(String(time))} ${severity.padEnd(5)} ${[sentence, ...details].join('  ')}\n${stack === undefined ? '' : `${stack}\n`}`;
}
/** The time of day where the server is. */
function localTime(time) {
  return new Date(time).toTimeString().slice(0, 8);
}
/** The redaction is for the day somebody logs a whole task or request by mistake. */
export function logOptions(level) {
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
//# sourceMappingURL=log.js.map
