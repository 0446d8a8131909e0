import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from '../helpers/chromium.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { startTestServer } from '../helpers/server.ts';

// The page as a person has it: a real server, a real browser, a fake runtime that draws discs out of noise. The browser
// loads what the build emitted.

if (chromiumPath === undefined) console.log('Skipped: no Chromium was found; CHROMIUM names one.');

describe.skipIf(chromiumPath === undefined)('the playground', () => {
  let browser: Browser;
  let pictures: string;

  beforeAll(async () => {
    browser = await launchChromium();
    pictures = await mkdtemp(path.join(os.tmpdir(), 'latentwire-page-'));
    console.log(`Screenshots are in ${pictures}`);
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function open(url: string, options: BrowserContextOptions = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.goto(url);
    return {
      page,
      errors,
      photograph: (name: string) => page.screenshot({ path: path.join(pictures, `${name}.png`) }),
      [Symbol.asyncDispose]: () => context.close(),
    };
  }

  const connected = (page: Page) => page.locator('#connection[data-state="open"]').waitFor();
  const shown = (page: Page) => page.locator('#pictures img').last();
  const finished = (page: Page) => page.locator('#pictures img[data-step="finished"]').waitFor();

  async function generate(page: Page, prompt: string): Promise<void> {
    await page.getByLabel('Prompt', { exact: true }).fill(prompt);
    await page.keyboard.press('Enter');
  }

  test('shows a picture emerge, looks back at its steps, and starts the next from it', async () => {
    const runtime = createFakeRuntime({ stepMs: 120 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    await photograph('empty');
    await page.evaluate(() => {
      const seen = new Set<string>();
      Object.assign(globalThis, { seen });
      new MutationObserver((changes) => {
        for (const node of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
          if (node instanceof HTMLImageElement) seen.add(node.src);
        }
      }).observe(document.getElementById('pictures')!, { childList: true });
    });
    await page.getByLabel('Width in pixels').fill('256');
    await page.getByLabel('Height in pixels').fill('256');
    await page.getByRole('slider', { name: 'Steps' }).fill('12');
    await generate(page, 'a red potion on a blue table');
    // Previews that were overtaken on the way are missing, so any of the middle will do.
    await page.waitForFunction(() => {
      const image = document.querySelector<HTMLElement>('#pictures img:last-child');
      return Number(image?.dataset.step) >= 4;
    });
    await photograph('emerging');
    await finished(page);
    const frames = await page.evaluate(() => [...(globalThis as unknown as { seen: Set<string> }).seen]);
    expect(frames.filter((url) => url.startsWith('blob:')).length).toBeGreaterThanOrEqual(3);
    expect(await shown(page).evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual([
      256, 256,
    ]);
    await expect.poll(() => page.locator('#progress-text').textContent()).toMatch(/^12 steps in \d+\.\d s · seed \d+/);
    expect(await page.locator('#announcer').textContent()).toMatch(/^Finished in/);

    await page.getByRole('slider', { name: 'Step shown' }).focus();
    for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowLeft');
    await expect.poll(() => page.locator('#pictures img').count()).toBe(1);
    expect(Number(await shown(page).getAttribute('data-step'))).toBeLessThanOrEqual(5);
    expect(await shown(page).evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(32);
    await photograph('looking-back');
    await page.keyboard.press('End');
    await finished(page);

    await page.getByRole('button', { name: 'Use as seed' }).click();
    await expect.poll(() => page.locator('#slot-image').isVisible()).toBe(true);
    await page.getByRole('slider', { name: 'Strength' }).fill('0.5');
    await generate(page, 'a green potion');
    await expect.poll(() => page.locator('#gallery li').count()).toBe(2);
    await finished(page);
    expect(runtime.requests[1]).toMatchObject({ prompt: 'a green potion', image: { strength: 0.5 }, steps: 12 });
    await photograph('from-a-seed-image');

    // Everything but the previews is still there after coming back.
    await page.reload();
    await connected(page);
    expect(await page.locator('#gallery li').count()).toBe(2);
    await finished(page);
    expect(await page.getByLabel('Prompt', { exact: true }).inputValue()).toBe('a green potion');
    expect(await page.getByRole('slider', { name: 'Steps' }).inputValue()).toBe('12');
    expect(errors).toEqual([]);
  });

  test('takes a seed image from a file, and from the gallery by dragging', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors } = visit;
    await connected(page);
    const buffer = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();
    await page.locator('#file').setInputFiles({ name: 'teal.png', mimeType: 'image/png', buffer });
    await page.getByRole('button', { name: 'Clear', exact: true }).waitFor();
    await generate(page, 'first');
    await finished(page);
    expect(runtime.requests[0]?.image?.pixels).toMatchObject({ width: 128, height: 128 });

    await page.locator('#slot-clear').click();
    await page.locator('#gallery li a').first().dragTo(page.locator('#slot'));
    await expect.poll(() => page.locator('#slot-image').getAttribute('src')).toMatch(/\/images\//);
    await page
      .locator('#file')
      .setInputFiles({ name: 'not.png', mimeType: 'image/png', buffer: Buffer.from('no image') });
    await page.locator('#slot-text.field-error').waitFor();
    expect(errors).toEqual([]);
  });

  test('cancels with Escape, and keeps what there was to see', async () => {
    const runtime = createFakeRuntime({ stepMs: 50 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page } = visit;
    await connected(page);
    await page.getByRole('slider', { name: 'Steps' }).fill('60');
    await generate(page, 'never to be finished');
    await page.locator('#pictures img[data-step]').first().waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('#progress-text').textContent()).toMatch(/^Cancelled after \d+ steps/);
    await expect.poll(() => runtime.aborted).toEqual([0]);
    expect(await page.locator('#cancel').isVisible()).toBe(false);
  });

  test('says what is wrong beside the field it is about', async () => {
    await using server = await startTestServer();
    await using visit = await open(server.url);
    const { page } = visit;
    await connected(page);
    await page.getByLabel('Width in pixels').fill('100');
    await generate(page, 'too narrow');
    const field = page.locator('[data-parameter~="width"]');
    await field.locator('.field-error').waitFor();
    expect(await page.getByLabel('Width in pixels').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Width in pixels').fill('128');
    expect(await field.locator('.field-error').count()).toBe(0);
    await page.getByLabel('Seed', { exact: true }).fill('twelve');
    await generate(page, 'no number');
    await page.locator('[data-parameter="seed"] .field-error').waitFor();
    await page.getByRole('button', { name: 'Random seed' }).click();
    await generate(page, '');
    await page.locator('#alert').waitFor();
  });

  test('asks for the key of a server that has one, and remembers it for the tab', async () => {
    await using server = await startTestServer({ apiKey: ['right'] });
    await using visit = await open(server.url);
    const { page, photograph } = visit;
    const key = page.getByLabel('API key');
    await key.waitFor();
    await key.fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('The server refused that key').waitFor();
    await photograph('key');
    await key.fill('right');
    await page.keyboard.press('Enter');
    await connected(page);
    await page.reload();
    await connected(page);
  });

  test('tells of a lost connection and comes back by itself', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    const server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page } = visit;
    await connected(page);
    await server[Symbol.asyncDispose]();
    await page.getByText(/trying again in \d+ s/).waitFor();
    await using _again = await startTestServer({ runtime: createFakeRuntime(), port: server.port });
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 2000 })
      .catch(() => {});
    await connected(page);
    await generate(page, 'after all');
    await finished(page);
  });

  test.each([
    ['light', 1440, 900, 'light'],
    ['dark', 1440, 900, 'dark'],
    ['tablet', 900, 1100, 'dark'],
    ['phone', 390, 844, 'light'],
    ['small-phone', 360, 640, 'dark'],
  ] as const)('fits the window: %s', async (name, width, height, colorScheme) => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 10 }) });
    await using visit = await open(server.url, { viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
    const { page, photograph, errors } = visit;
    await connected(page);
    await page.getByRole('button', { name: 'the sea at sunset' }).click();
    await finished(page);
    await photograph(name);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red = 0] = ground.match(/\d+/g)!.map(Number);
    expect(red > 128).toBe(colorScheme === 'light');
    expect(errors).toEqual([]);
  });
});
