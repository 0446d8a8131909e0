import { type Logger, type LoggerOptions } from 'pino';

export type { Logger } from 'pino';
/**
 * Logs to stderr: a fixed sentence and fields, as lines of JSON, or as plain text where a person looks on at a terminal.
 * Prompts, images and keys are never given to it.
 */
export declare function createLog(level: string): Logger;
/** A line of the log as a person reads it: time of day, level, sentence and fields, each in its column. */
export declare function plainText(line: string): string;
/** The redaction is for the day somebody logs a whole task or request by mistake. */
export declare function logOptions(level: string): LoggerOptions;
