/** A progressive JPEG of a camera or an editor has about ten. */
export const maxScans = 64;

/**
 * Counts the scans of a JPEG, up to `maxScans` + 1. Each scan of a progressive JPEG covers the whole picture, so a
 * small file with thousands of scans keeps a thread busy for minutes.
 */
export function countScans(bytes: Uint8Array): number {
  let scans = 0;
  let at = 2;
  while (at + 3 < bytes.length && scans <= maxScans) {
    at = bytes.indexOf(0xff, at);
    if (at === -1) break;
    const marker = bytes[at + 1]!;
    // End of the image: phones append a film, whose bytes are no scans.
    if (marker === 0xd9) break;
    if (marker === 0xda) scans++;
    // Fill bytes, stuffed zeros, restarts and markers without a length; an 0xff may begin the next marker. Decoders do
    // not skip the lengths of reserved markers inside a scan, so scans could hide there.
    if (marker === 0xff) at += 1;
    else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return scans;
}
