import path from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import type { SavedPicture } from '../../clients/playground/galleryStore.ts';

/** A tab with the page, whose errors are collected. */
export interface Visit extends AsyncDisposable {
  page: Page;
  errors: string[];
  /** Takes a picture of the page, where SCREENSHOTS names a folder for them. */
  photograph(name: string): Promise<void>;
}

/** Opens the page in a browser that knows nothing yet; the tab is closed with its context. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  const visit = await openTab(context, url);
  return { ...visit, [Symbol.asyncDispose]: () => context.close() };
}

/** Opens the page in another tab. */
export async function openTab(context: BrowserContext, url: string): Promise<Visit> {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(url);
  return {
    page,
    errors,
    photograph: async (name) => {
      const folder = process.env.SCREENSHOTS;
      if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`) });
    },
    [Symbol.asyncDispose]: () => page.close(),
  };
}

export const connected = (page: Page) => page.locator('#connection[data-state="open"]').waitFor();
export const shown = (page: Page) => page.locator('#pictures img').last();
export const finished = (page: Page) => page.locator('#pictures img[data-step="finished"]').waitFor();

export async function generate(page: Page, prompt: string): Promise<void> {
  await page.getByLabel('Prompt', { exact: true }).fill(prompt);
  await page.keyboard.press('Enter');
}

/** Presses buttons, by id, and then Generate, with no turn of the page's event loop in between. */
export async function generateAtOnce(page: Page, ...ids: string[]): Promise<void> {
  await page.evaluate((ids) => {
    for (const id of ids) document.getElementById(id)!.click();
    document.querySelector<HTMLFormElement>('#form')!.requestSubmit();
  }, ids);
}

/** What the browser remembers, the newest first. What the page began to write before is written then. */
export async function galleryRecords(page: Page): Promise<SavedPicture[]> {
  return await page.evaluate(
    () =>
      new Promise<SavedPicture[]>((resolve, reject) => {
        const opening = indexedDB.open('latentwire');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const database = opening.result;
          const reading = database.transaction('pictures').objectStore('pictures').index('newest').getAll();
          reading.onerror = () => reject(reading.error);
          reading.onsuccess = () => {
            database.close();
            resolve(reading.result.toReversed());
          };
        };
      }),
  );
}
