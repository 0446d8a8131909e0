import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from '../helpers/chromium.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { connected, finished, galleryRecords, generate, openPage, openTab } from '../helpers/page.ts';
import { startTestServer } from '../helpers/server.ts';

// Needs an installed Chromium; CI installs it, and fails without it.
describe.skipIf(chromiumPath === undefined)('the gallery of the playground', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  test('is the same in two tabs, and neither erases what the other made', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime() });
    await using one = await openPage(browser, server.url);
    await using other = await openTab(one.page.context(), server.url);
    const tabs = [one.page, other.page];
    for (const page of tabs) await connected(page);
    for (const [i, page] of [...tabs, ...tabs].entries()) {
      await page.bringToFront();
      await generate(page, `picture ${i}`);
      for (const each of tabs) await expect.poll(() => each.locator('#gallery li a[href]').count()).toBe(i + 1);
    }
    const prompts = async () => (await galleryRecords(one.page)).map(({ recipe }) => recipe.positivePrompt);
    expect(await prompts()).toEqual(['picture 3', 'picture 2', 'picture 1', 'picture 0']);

    // What one deletes goes in the other too.
    await one.page.bringToFront();
    await one.page.locator('#gallery li a').first().click();
    await one.page.locator('#act-remove').click();
    await one.page.locator('#act-remove').click();
    for (const each of tabs) await expect.poll(() => each.locator('#gallery li').count()).toBe(3);
    expect(await prompts()).toEqual(['picture 2', 'picture 1', 'picture 0']);
    expect([...one.errors, ...other.errors]).toEqual([]);
  });

  test('has a picture once that was under way when the page was loaded again', async () => {
    let goOn = () => {};
    const reloaded = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const runtime = createFakeRuntime({ hold: ({ step }) => (step === 3 ? reloaded : undefined) });
    await using server = await startTestServer({ runtime });
    await using visit = await openPage(browser, server.url);
    const { page, errors } = visit;
    await connected(page);
    await page.getByLabel('Results').fill('2');
    await generate(page, 'before and after');
    await page.locator('#pictures img[data-step]').first().waitFor();
    await page.reload();
    await page.locator('#gallery li').first().waitFor();
    await connected(page);
    goOn();
    await expect.poll(() => page.locator('#gallery li a[href]').count()).toBe(2);
    await finished(page);
    expect(runtime.requests).toHaveLength(2);
    expect(runtime.aborted).toEqual([]);
    expect(await galleryRecords(page)).toHaveLength(2);
    await page.reload();
    await connected(page);
    await expect.poll(() => page.locator('#gallery li a[href]').count()).toBe(2);
    expect((await galleryRecords(page)).map(({ resultIndex }) => resultIndex).toSorted()).toEqual([0, 1]);
    expect(runtime.requests).toHaveLength(2);
    expect(errors).toEqual([]);
  });

  test('keeps hundreds of pictures, those of earlier versions too, and reads them as they are looked for', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime() });
    const { body } = await server.post([
      {
        taskType: 'imageInference',
        taskUUID: crypto.randomUUID(),
        positivePrompt: 'one for all',
        width: 128,
        height: 128,
      },
    ]);
    const { imageUUID, imageURL } = body.data![0] as unknown as { imageUUID: string; imageURL: string };
    const recipe = { positivePrompt: 'old', width: 128, height: 128, steps: 1, CFGScale: 1 };
    const result = { imageUUID, imageURL, seed: '1' };
    const old = Array.from({ length: 350 }, (_, resultIndex) => ({ taskUUID: 'old', resultIndex, recipe, result }));
    const localStorage = [{ name: 'latentwire.gallery', value: JSON.stringify(old) }];
    const storageState = { cookies: [], origins: [{ origin: server.url, localStorage }] };
    await using visit = await openPage(browser, server.url, { storageState });
    const { page, errors } = visit;
    await connected(page);
    await generate(page, 'one more');
    await finished(page);
    await expect.poll(async () => (await galleryRecords(page)).length).toBe(351);
    await page.reload();
    const tiles = page.locator('#gallery li');
    await tiles.first().waitFor();
    expect(await tiles.count()).toBeLessThan(351);
    await expect
      .poll(async () => {
        await tiles.last().scrollIntoViewIfNeeded();
        return await tiles.count();
      })
      .toBe(351);
    expect(errors).toEqual([]);
  });

  test('deletes files on the server with their pictures, after asking', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime() });
    await using visit = await openPage(browser, server.url);
    const { page, errors } = visit;
    await connected(page);
    await page.getByLabel('Results').fill('3');
    await generate(page, 'to be deleted');
    await expect.poll(() => page.locator('#gallery li a[href]').count()).toBe(3);
    const urls = (await galleryRecords(page)).map(({ result }) => result.imageURL);
    const statuses = () => Promise.all(urls.map(async (url) => (await fetch(url)).status));
    expect(await statuses()).toEqual([200, 200, 200]);
    await page.locator('#act-remove').click();
    await page.getByText('Delete?').waitFor();
    expect(await statuses()).toEqual([200, 200, 200]);
    await page.locator('#act-remove').click();
    await expect.poll(() => page.locator('#gallery li').count()).toBe(2);
    expect((await statuses()).toSorted()).toEqual([200, 200, 404]);
    await page.getByRole('button', { name: 'Clear', exact: true }).click();
    await page.getByRole('button', { name: 'Delete all 2?' }).click();
    await page.getByText('Your pictures appear here.').waitFor();
    expect(await statuses()).toEqual([404, 404, 404]);
    expect(await galleryRecords(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  test("says so when a deleted picture's file stays because it is another key's", async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime(), apiKey: ['mine', 'yours'] });
    await using visit = await openPage(browser, server.url);
    const { page } = visit;
    const enter = async (key: string) => {
      await page.getByLabel('API key').fill(key);
      await page.keyboard.press('Enter');
      await connected(page);
    };
    await enter('mine');
    await generate(page, 'made with one key');
    await finished(page);
    expect(await galleryRecords(page)).toHaveLength(1);
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await enter('yours');
    await page.locator('#act-remove').click();
    await page.locator('#act-remove').click();
    await page.getByText('The server still has 1 deleted picture').waitFor();
    await expect.poll(() => page.locator('#gallery li').count()).toBe(0);
  });
});

// Needs an installed Chromium; CI installs it, and fails without it.
describe.skipIf(chromiumPath === undefined)('the page in a browser', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  test('is loaded with at most 4 requests and 60 kB', async () => {
    await using server = await startTestServer();
    await using visit = await openPage(browser, 'about:blank');
    const { page } = visit;
    const devTools = await page.context().newCDPSession(page);
    await devTools.send('Network.enable');
    const requested = new Map<string, string>();
    let received = 0;
    devTools.on('Network.requestWillBeSent', ({ requestId, request }) => {
      if (request.url.startsWith('http')) requested.set(requestId, request.url);
    });
    devTools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (requested.has(requestId)) received += encodedDataLength;
    });
    await page.goto(server.url, { waitUntil: 'networkidle' });
    await connected(page);
    console.log(`The page: ${requested.size} requests, ${received} bytes.`);
    expect(requested.size).toBeGreaterThanOrEqual(3);
    expect(requested.size).toBeLessThanOrEqual(4);
    expect(received).toBeGreaterThan(5_000);
    expect(received).toBeLessThan(60_000);
  });

  test.each([
    [390, 844],
    [1280, 800],
  ])('is no wider than its window of %i pixels, however long the words are', async (width, height) => {
    await using server = await startTestServer({ runtime: createFakeRuntime() });
    await using visit = await openPage(browser, server.url, { viewport: { width, height } });
    const { page, photograph } = visit;
    await connected(page);
    const long = `https://127.0.0.1:1/${'a'.repeat(3000)}`;
    const scrollWidth = () => page.evaluate(() => document.documentElement.scrollWidth);
    await page.getByLabel('Results').evaluate((field: HTMLInputElement) => {
      for (let folded = field.closest('details'); folded; folded = null) folded.open = true;
    });
    await page.locator('#slot').evaluate((slot, url) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.setData('text/uri-list', url);
      slot.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    }, long);
    await page.locator('#slot-text.field-error').waitFor();
    expect(await scrollWidth()).toBeLessThanOrEqual(width);
    await photograph(`long-url-${width}`);
    await page.getByRole('slider', { name: 'Steps' }).fill('1');
    await generate(page, long);
    // The picture that could not be fetched is left aside.
    await page.locator('#file').setInputFiles([]);
    await generate(page, long);
    await finished(page);
    expect(await scrollWidth()).toBeLessThanOrEqual(width);
    await expect.poll(() => page.locator('#progress-text').textContent()).toMatch(/^1 step in /);
    await photograph(`long-prompt-${width}`);
  });
});
