import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where a Chromium is on this machine: CHROMIUM, or a usual place. */
export const chromiumPath: string | undefined = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
].find((path) => path !== undefined && path !== '' && existsSync(path));

// A person without a browser may skip its tests; continuous integration must notice when they no longer run.
if (chromiumPath === undefined && process.env.LATENTWIRE_REQUIRE_BROWSER) throw new Error('No Chromium was found.');

export async function launchChromium(): Promise<Browser & AsyncDisposable> {
  return (await chromium.launch({
    executablePath: chromiumPath!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })) as Browser & AsyncDisposable;
}
