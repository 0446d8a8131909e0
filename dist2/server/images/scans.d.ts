/** A progressive JPEG of a camera or an editor has about ten. */
export declare const maxScans = 64;
/**
 * Counts the scans of a JPEG, at most one more than `maxScans`. Each scan of a progressive JPEG goes over the whole picture, so
 * a file of some hundred kilobytes with thousands of them keeps a thread busy for minutes.
 */
export declare function countScans(bytes: Uint8Array): number;
