import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embed } from '../../server/images/embed.ts';
import { chromiumPath, launchChromium } from '../helpers/chromium.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { connected, openPage } from '../helpers/page.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';

/** Drops a file where the seed image goes. */
async function drop(page: Page, bytes: Buffer, type = 'image/png'): Promise<void> {
  await page.locator('#slot').evaluate(
    (slot, [base64, type]) => {
      const dataTransfer = new DataTransfer();
      const content = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      dataTransfer.items.add(new File([content], 'picture', { type }));
      slot.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    },
    [bytes.toString('base64'), type] as const,
  );
}

const formOf = (page: Page) =>
  page.evaluate(() => {
    const names = [
      'prompt',
      'negative',
      'model',
      'width',
      'height',
      'steps',
      'guidance',
      'seed',
      'scheduler',
      'strength',
    ];
    return Object.fromEntries(names.map((id) => [id, (document.getElementById(id) as HTMLInputElement).value]));
  });

// Needs an installed Chromium; CI installs it, and fails without it.
describe.skipIf(chromiumPath === undefined)('a picture dropped on the page', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  test.each(['light', 'dark'] as const)('offers the settings it was made with (%s)', async (colorScheme) => {
    await using server = await startTestServer({ runtime: createFakeRuntime() });
    const wishes = { positivePrompt: 'a fox,\nred: very', negativePrompt: 'blurry', model: 'local:plain-sd1x@1' };
    const numbers = { width: 192, height: 128, steps: 7, CFGScale: 4.5, scheduler: 'Euler a', strength: 0.35 };
    const seedImage = await sharp({ create: { width: 192, height: 128, channels: 3, background: '#a52' } })
      .png()
      .toBuffer();
    const socket = await server.socket();
    const task = { ...wishes, ...numbers, seed: 2n ** 63n + 1n, outputFormat: 'PNG' };
    const { imageURL } = await socket.ask(imageTask({ ...task, seedImage: seedImage.toString('base64') }));
    const made = Buffer.from(await (await fetch(imageURL)).arrayBuffer());

    await using visit = await openPage(browser, server.url, { colorScheme });
    const { page, errors, photograph } = visit;
    await connected(page);
    const offer = page.locator('#offer');
    const use = page.getByRole('button', { name: 'Use its settings' });
    await drop(page, made);
    await use.waitFor();
    await page.getByText('The next picture starts from this one.').waitFor();
    await photograph(`recipe-offered-${colorScheme}`);
    await use.click();
    await page.getByText('Settings applied.').waitFor();
    expect(await formOf(page)).toEqual({
      ...{
        prompt: wishes.positivePrompt,
        negative: 'blurry',
        model: 'local:plain-sd1x@1',
        width: '192',
        height: '128',
      },
      ...{ steps: '7', guidance: '4.5', seed: '9223372036854775809', scheduler: 'Euler a', strength: '0.35' },
    });
    expect(await use.isVisible()).toBe(false);

    // Another picture, of another program, with what is not here.
    const parameters =
      'a <lora:ink:0.5>cat\nSteps: 12, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 204x204, Model: dreamlike, Clip skip: 2';
    await drop(page, embed(seedImage, 'PNG', { parameters, json: '{}' }));
    await use.click();
    await page.getByText('Ignored: model dreamlike, size 204 × 204, LoRA ink, CLIP skip.').waitFor();
    await photograph(`recipe-unused-${colorScheme}`);
    expect(await formOf(page)).toMatchObject({
      ...{ prompt: 'a cat', negative: '', model: 'local:plain-sd1x@1', width: '192', height: '128', steps: '12' },
      ...{ guidance: '7', seed: '5', scheduler: 'Euler', strength: '0.35' },
    });

    // One that says nothing, and none at all.
    await drop(page, seedImage);
    await expect.poll(() => offer.isHidden()).toBe(true);
    await drop(page, made);
    await offer.waitFor();
    await page.locator('#slot-clear').click();
    await expect.poll(() => offer.isHidden()).toBe(true);
    expect(errors).toEqual([]);
  });
});
