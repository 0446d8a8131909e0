import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Browser, BrowserContextOptions, Locator } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from '../helpers/chromium.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { connected, finished, galleryRecords, generate, generateAtOnce, openPage, shown } from '../helpers/page.ts';
import { describeTestModel, describeWithIpAdapter, startTestServer } from '../helpers/server.ts';

// The page as a person has it: a real server, a real browser, a fake runtime that draws discs out of noise. The browser
// loads what the build emitted. SCREENSHOTS names a folder for pictures of the page, for people to look at.

if (chromiumPath === undefined) console.log('Skipped: no Chromium was found; CHROMIUM names one.');

// Needs an installed Chromium; CI installs it, and fails without it.
describe.skipIf(chromiumPath === undefined)('the playground', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  const open = (url: string, options?: BrowserContextOptions) => openPage(browser, url, options);

  const teal = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();

  test('shows a picture emerge, looks back at its steps, and starts the next from it', async () => {
    let look = () => {};
    const looked = new Promise<void>((resolve) => {
      look = resolve;
    });
    // However slow the page is, it shows each look before the next one is made.
    const runtime = createFakeRuntime({
      hold: async ({ step = 0 }) => {
        if (step > 0) await page.locator(`#pictures img[data-step="${step - 1}"]`).waitFor();
        if (step === 6) await looked;
      },
    });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url, { reducedMotion: 'no-preference' });
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
    await page.locator('#pictures img[data-step="5"]').waitFor();
    await photograph('emerging');
    look();
    await finished(page);
    const frames = await page.evaluate(() => [...(globalThis as unknown as { seen: Set<string> }).seen]);
    expect(frames.filter((url) => url.startsWith('blob:')).length).toBeGreaterThanOrEqual(11);
    expect(await shown(page).evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual([
      256, 256,
    ]);
    await expect.poll(() => page.locator('#progress-text').textContent()).toMatch(/^12 steps in \d+\.\d s · seed \d+/);
    expect(await page.locator('#announcer').textContent()).toMatch(/^Finished in/);

    await page.getByRole('slider', { name: 'Step shown' }).focus();
    for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowLeft');
    await expect.poll(() => page.locator('#pictures img').count()).toBe(1);
    await expect.poll(async () => Number(await shown(page).getAttribute('data-step'))).toBeLessThanOrEqual(5);
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
    expect(await galleryRecords(page)).toHaveLength(2);
    await page.reload();
    await connected(page);
    await expect.poll(() => page.locator('#gallery li').count()).toBe(2);
    await finished(page);
    expect(await page.getByLabel('Prompt', { exact: true }).inputValue()).toBe('a green potion');
    expect(await page.getByRole('slider', { name: 'Steps' }).inputValue()).toBe('12');
    expect(errors).toEqual([]);
  });

  test('enlarges a finished picture, and an enlarged one as far as the server does', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 5 }) });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    const enlarge = (factor: number) => page.getByRole('button', { name: `Enlarge ${factor}×` });
    expect(await enlarge(2).isVisible()).toBe(false);
    await generate(page, 'a red potion');
    await finished(page);
    const first = await shown(page).getAttribute('src');
    for (const side of [512, 2048]) {
      await enlarge(4).click();
      await page.getByText(`${side} × ${side}`).waitFor();
      await expect.poll(() => shown(page).evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(side);
    }
    await photograph('enlarged');
    expect(await shown(page).getAttribute('src')).not.toBe(first);
    expect(await page.locator('#progress-text').textContent()).toMatch(/^4 tiles .*seed \d+/);
    // 8192 pixels a side are too many.
    expect([await enlarge(2).isVisible(), await enlarge(4).isVisible()]).toEqual([true, false]);
    expect((await galleryRecords(page)).map(({ enlarged }) => enlarged)).toEqual([16, 4, undefined]);
    await page.reload();
    await page.getByText('2048 × 2048').waitFor();
    expect(errors).toEqual([]);
  });

  test('takes a seed image from a file, and from the gallery by dragging', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors } = visit;
    await connected(page);
    const buffer = await teal(300, 200);
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

  test('changes only what is painted over the seed image', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    const paint = page.getByRole('button', { name: 'Paint a mask' });
    expect(await paint.isVisible()).toBe(false);
    await page
      .locator('#file')
      .setInputFiles({ name: 'teal.png', mimeType: 'image/png', buffer: await teal(256, 128) });
    await page.getByLabel('Width in pixels').fill('256');
    await paint.click();
    const board = (await page.locator('#mask').boundingBox())!;
    const strokeDown = async (share: number) => {
      const x = board.x + board.width * share;
      await page.mouse.move(x, board.y + 2);
      await page.mouse.down();
      await page.mouse.move(x, board.y + board.height - 2, { steps: 8 });
      await page.mouse.up();
    };
    await page.getByRole('slider', { name: 'Brush' }).fill('50');
    await strokeDown(0.125);
    await strokeDown(0.375);
    await strokeDown(0.75);
    await page.getByRole('button', { name: 'Erase' }).click();
    await strokeDown(0.75);
    await photograph('mask');
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText('Only the painted part changes.').waitFor();
    await page.getByRole('slider', { name: 'Strength' }).fill('0.1');
    await page.getByText('Hardly anything you painted will change').waitFor();
    await generate(page, 'half of it');
    await finished(page);

    const { mask } = runtime.requests[0]!;
    const rowOf = (y: number) => [16, 64, 100, 156, 192, 240].map((x) => mask![y * 256 + x]);
    for (const y of [4, 64, 123]) expect(rowOf(y)).toEqual([255, 255, 255, 0, 0, 0]);
    const [record] = await galleryRecords(page);
    const maskImage = record!.recipe.maskImage!;
    const sent = Buffer.from(await (await fetch(maskImage.imageURL)).arrayBuffer());
    expect(await sharp(sent).metadata()).toMatchObject({ format: 'png', width: 256, height: 128 });

    // It goes with its picture, and comes back with its recipe.
    await page.locator('#slot-clear').click();
    expect(await paint.isVisible()).toBe(false);
    // Who is faster than the page gets what they asked for all the same.
    await generateAtOnce(page, 'act-reuse');
    await expect.poll(() => runtime.requests.length).toBe(2);
    expect(runtime.requests[1]!.mask).toEqual(mask);
    await page.getByText('Only the painted part changes.').waitFor();
    await page.getByRole('button', { name: 'Edit the mask' }).click();
    await generateAtOnce(page, 'mask-invert', 'mask-done');
    await expect.poll(() => runtime.requests.length).toBe(3);
    expect(runtime.requests[2]!.mask).toEqual(mask!.map((value) => 255 - value));
    await page.getByRole('button', { name: 'Edit the mask' }).click();
    await page.locator('#mask-clear').click();
    await page.keyboard.press('Escape');
    await page.getByText('The next picture starts from this one.').waitFor();
    await generate(page, 'all of it');
    await expect.poll(() => runtime.requests.length).toBe(4);
    expect(runtime.requests[3]).toMatchObject({ prompt: 'all of it', image: { strength: 0.1 } });
    expect(runtime.requests[3]!.mask).toBeUndefined();
    await page.getByRole('button', { name: 'Paint a mask' }).click();
    await generateAtOnce(page, 'mask-invert', 'mask-done');
    await expect.poll(() => runtime.requests.length).toBe(5);
    expect(runtime.requests[4]!.mask).toEqual(mask!.map(() => 255));
    expect(errors).toEqual([]);
  });

  test('paints a mask with the keyboard alone', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page } = visit;
    await connected(page);
    await page
      .locator('#file')
      .setInputFiles({ name: 'teal.png', mimeType: 'image/png', buffer: await teal(128, 128) });
    await page.getByRole('button', { name: 'Paint a mask' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#mask-board:focus').waitFor();
    await page.keyboard.down('Space');
    for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowLeft');
    await page.keyboard.up('Space');
    await page.keyboard.press('ArrowUp');
    for (let i = 0; i < 6; i++) await page.keyboard.press('Tab');
    await page.locator('#mask-done:focus').waitFor();
    await page.keyboard.press('Enter');
    await generate(page, 'to the left of the middle');
    await expect.poll(() => runtime.requests.length).toBe(1);
    const { mask } = runtime.requests[0]!;
    expect([10, 50, 100].map((x) => mask![64 * 128 + x])).toEqual([255, 255, 0]);
    expect(mask![20 * 128 + 50]).toBe(0);
  });

  test('sends reference images to a model that takes them, and hides what it has no use for', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    const distilled = { guidanceRule: 'never', mostReferences: 2, sizeMultiple: 16, defaultStrength: 0.9 } as const;
    await using server = await startTestServer({
      runtime,
      describe: async (folder) => ({
        ...describeTestModel(folder),
        ...(folder.includes('plain-sd1x') && distilled),
      }),
    });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    const [references, negative, guidance] = ['#references', '#negative-field', '#guidance-field'].map((each) =>
      page.locator(each),
    ) as [Locator, Locator, Locator];
    expect([await references.isVisible(), await negative.isVisible()]).toEqual([false, true]);
    await page.locator('#negative').fill('never sent');
    await page.getByLabel('Model', { exact: true }).selectOption('local:plain-sd1x@1');
    expect([await negative.isVisible(), await guidance.isVisible()]).toEqual([false, false]);
    await expect.poll(() => page.locator('#strength').inputValue()).toBe('0.9');
    await references.locator('summary').click();
    const add = page.getByRole('button', { name: 'Add a reference image' });
    await add.click();
    const buffer = await teal(96, 64);
    await references.locator('input[type="file"]').setInputFiles({ name: 't.png', mimeType: 'image/png', buffer });
    await add.click();
    expect(await add.isDisabled()).toBe(true);
    // Until somebody changes it, the size is that of the first reference.
    await expect.poll(() => page.locator('#width').inputValue()).toBe('96');
    await photograph('references');
    await generate(page, 'the teal one');
    await expect.poll(() => runtime.requests.length).toBe(1);
    expect(runtime.requests[0]!.negativePrompt).toBeUndefined();
    expect(runtime.requests[0]).toMatchObject({ width: 96, height: 64, references: [{ width: 96, height: 64 }] });
    await page.locator('#height').fill('128');
    await page.getByRole('button', { name: 'Remove this reference image' }).first().click();
    await generate(page, 'without it');
    await expect.poll(() => runtime.requests.length).toBe(2);
    expect(runtime.requests[1]!.references).toBeUndefined();
    expect(runtime.requests[1]).toMatchObject({ width: 96, height: 128 });
    expect(errors).toEqual([]);
  });

  test('offers the LoRAs, ControlNets and previews that fit the model', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    const [loras, controlNets] = [page.locator('#loras'), page.locator('#control-nets')];
    await loras.locator('summary').click();
    await page.getByLabel('Model', { exact: true }).selectOption('local:plain-sd1x@1');
    await page.getByRole('button', { name: 'Add a LoRA' }).click();
    const options = () => loras.locator('select').first().locator('option').allTextContents();
    expect((await options()).toSorted()).toEqual(['pixel-lora-sd1x', 'plain-lora']);
    await loras.locator('select').selectOption('local:pixel-lora-sd1x@1');
    await page.getByRole('slider', { name: 'Weight of the LoRA' }).fill('-0.5');
    await page.getByRole('button', { name: 'Add a LoRA' }).click();
    await loras.locator('select').last().selectOption('local:plain-lora@1');
    await page.getByRole('spinbutton', { name: 'Weight of the LoRA' }).last().fill('3.5');

    await controlNets.locator('summary').click();
    await page.getByRole('button', { name: 'Add a ControlNet' }).click();
    await controlNets.locator('select').selectOption('local:canny-sd1x@1');
    await generate(page, 'without a guide image');
    await page.getByText('Give each ControlNet a guide image').waitFor();
    const buffer = await teal(128, 128);
    await controlNets.locator('input[type="file"]').setInputFiles({ name: 't.png', mimeType: 'image/png', buffer });
    await page.getByRole('slider', { name: 'Weight of the ControlNet' }).fill('0.6');
    await page.getByLabel('Previews').selectOption('tiny');
    await photograph('companions');
    // Also while the guide image is on its way.
    await generate(page, 'with all of them');
    await finished(page);
    const named = (word: string) => expect.stringContaining(word);
    expect(runtime.requests).toHaveLength(1);
    expect(runtime.requests[0]).toMatchObject({
      model: named('plain-sd1x'),
      loras: [
        { path: named('pixel-lora-sd1x'), weight: -0.5 },
        { path: named('plain-lora'), weight: 3.5 },
      ],
      controlNets: [{ model: named('canny-sd1x'), weight: 0.6, pixels: { width: 128, height: 128 } }],
      previews: { decoder: 'tiny', tinyDecoder: named('taesd') },
    });

    // What fits no longer does not act, and is there again when it does.
    await page.getByLabel('Model', { exact: true }).selectOption('local:big-sdxl@1');
    expect(await loras.locator('summary').textContent()).toBe('LoRA · 1');
    expect((await options()).toSorted()).toEqual(['grand-lora-sdxl', 'plain-lora']);
    await generate(page, 'a larger one');
    await expect.poll(() => runtime.requests.length).toBe(2);
    expect(runtime.requests[1]!.loras).toEqual([{ path: named('plain-lora'), weight: 3.5 }]);
    expect(runtime.requests[1]!.controlNets).toBeUndefined();
    expect(runtime.requests[1]!.previews).toMatchObject({ decoder: 'linear' });
    await page.getByLabel('Model', { exact: true }).selectOption('local:plain-sd1x@1');
    expect(await loras.locator('summary').textContent()).toBe('LoRA · 2');
    await page.reload();
    await connected(page);
    await expect.poll(() => loras.locator('summary').textContent()).toBe('LoRA · 2');
    expect(errors).toEqual([]);
  });

  test('offers the embeddings, VAEs and refiners that fit the model', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    const embeddings = page.locator('#embeddings');
    const model = page.getByLabel('Model', { exact: true });
    await model.selectOption('local:big-sdxl@1');
    await embeddings.locator('summary').click();
    await page.getByRole('button', { name: 'Add an embedding' }).click();
    await embeddings.locator('select').selectOption('local:grand-embedding-sdxl@1');
    await page.getByRole('slider', { name: 'Weight of the Embedding' }).fill('0.7');
    await page.getByLabel('VAE').selectOption('local:soft-vae@1');
    expect(await page.getByLabel('Starts after').isVisible()).toBe(false);
    await page.getByLabel('Refiner').selectOption('local:refiner-sdxl@1');
    await page.getByLabel('Starts after').fill('60');
    await photograph('other-models');
    await page.getByLabel('Steps').fill('10');
    await generate(page, 'in the mood of grand-embedding-sdxl');
    await finished(page);
    const named = (word: string) => expect.stringContaining(word);
    const asked = {
      embeddings: [{ path: named('grand-embedding-sdxl'), weight: 0.7 }],
      vae: named('soft-vae'),
      refiner: { model: named('refiner-sdxl'), startStep: 6 },
    };
    expect(runtime.requests).toMatchObject([asked]);

    // What does not fit another model does not act there, and all of it comes back with the picture.
    await model.selectOption('local:plain-sd1x@1');
    expect(await page.locator('#refiner-field').isVisible()).toBe(false);
    await generate(page, 'a plain one');
    await expect.poll(() => runtime.requests.length).toBe(2);
    expect([runtime.requests[1]!.embeddings, runtime.requests[1]!.refiner]).toEqual([undefined, undefined]);
    await page.locator('#gallery a').last().click();
    await page.getByRole('button', { name: 'Reuse settings' }).click();
    await generate(page, 'once more');
    await expect.poll(() => runtime.requests.length).toBe(3);
    expect(runtime.requests[2]).toMatchObject(asked);
    expect(errors).toEqual([]);
  });

  test('extends a picture beyond its edges', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, errors, photograph } = visit;
    await connected(page);
    expect(await page.locator('#outpaint').isVisible()).toBe(false);
    await page.locator('#file').setInputFiles({ name: 't.png', mimeType: 'image/png', buffer: await teal(128, 128) });
    await page.getByText('The next picture starts from this one.').waitFor();
    await page.getByLabel('Width in pixels').fill('128');
    await page.getByLabel('Height in pixels').fill('192');
    await page.locator('#outpaint summary').click();
    await page.getByLabel('Pixels on the left').fill('64');
    await page.getByLabel('Pixels below').fill('128');
    await page.getByText('The next picture extends this one.').waitFor();
    expect(await page.getByRole('button', { name: 'Paint a mask' }).isVisible()).toBe(false);
    expect(await page.locator('#strength').isVisible()).toBe(false);
    await photograph('extend');
    await generate(page, 'a wider sea');
    await finished(page);
    const [request] = runtime.requests;
    expect(request).toMatchObject({ width: 192, height: 320, image: { strength: 1 } });
    const { mask } = request!;
    // The new part is drawn, the old one kept; between them it fades.
    expect([mask![10], mask![150], mask![300 * 192 + 150]]).toEqual([255, 0, 255]);

    await page.getByRole('button', { name: 'Reuse settings' }).click();
    expect(await page.getByLabel('Height in pixels').inputValue()).toBe('192');
    expect(await page.locator('#outpaint summary').textContent()).toContain('64 × 128 more');
    await page.getByLabel('Pixels below').fill('60');
    await generate(page, 'to the next multiple of 64');
    await expect.poll(() => runtime.requests.length).toBe(2);
    expect(runtime.requests[1]).toMatchObject({ width: 192, height: 256 });
    expect(errors).toEqual([]);
  });

  test('draws by a picture through an IP-Adapter, and reuses it', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime, describe: describeWithIpAdapter });
    await using visit = await open(server.url);
    const { page, errors } = visit;
    await connected(page);
    const prompts = page.locator('#ip-adapters');
    await prompts.locator('summary').click();
    await page.getByRole('button', { name: 'Add an image prompt' }).click();
    const buffer = await teal(128, 96);
    await prompts.locator('input[type="file"]').setInputFiles({ name: 't.png', mimeType: 'image/png', buffer });
    await page.getByRole('slider', { name: 'Weight of the image prompt' }).fill('0.6');
    await generate(page, 'like that');
    await finished(page);
    const drawn = { model: expect.stringContaining('depth'), weight: 0.6, pictures: [{ width: 128, height: 96 }] };
    expect(runtime.requests[0]!.imagePrompts).toMatchObject([drawn]);
    await page.getByRole('button', { name: 'Remove this image prompt' }).click();
    await page.getByRole('button', { name: 'Reuse settings' }).click();
    await generate(page, 'and again');
    await expect.poll(() => runtime.requests.length).toBe(2);
    expect(runtime.requests[1]!.imagePrompts).toMatchObject([drawn]);
    expect(errors).toEqual([]);
  });

  test('has no place for LoRAs, ControlNets and tiny decoders where the server has none', async () => {
    const empty = await mkdtemp(path.join(os.tmpdir(), 'latentwire-empty-'));
    await using server = await startTestServer({ modelsDir: [empty], defaultModel: 'local:pocket@1' });
    await using visit = await open(server.url);
    const { page } = visit;
    await connected(page);
    await page.locator('#model option[value="local:pocket@1"]').waitFor({ state: 'attached' });
    for (const id of [
      'loras',
      'embeddings',
      'control-nets',
      'ip-adapters',
      'previews-field',
      'vae-field',
      'refiner-field',
    ]) {
      expect(await page.locator(`#${id}`).isVisible()).toBe(false);
    }
    await rm(empty, { recursive: true });
  });

  test('says what is loaded and how far while a model is loaded', async () => {
    const names: Record<string, string> = { text_encoder: 'text encoder', unet: 'UNet' };
    const runtime = createFakeRuntime({
      hold: async ({ component }) => {
        if (component === undefined) return;
        await page.getByText(`Loading the ${names[component]}`).waitFor();
        await photograph(`loading-${component}`);
      },
    });
    await using server = await startTestServer({ runtime });
    await using visit = await open(server.url);
    const { page, photograph } = visit;
    await connected(page);
    await page.evaluate(() => {
      const note = document.getElementById('frame-note')!;
      const said = new Set<string>();
      Object.assign(globalThis, { said });
      const changes = { attributes: true, childList: true };
      new MutationObserver(() => note.hidden || said.add(note.textContent!)).observe(note, changes);
    });
    await generate(page, 'from cold');
    await finished(page);
    const said = await page.evaluate(() => [...(globalThis as unknown as { said: Set<string> }).said]);
    expect(said.filter((words) => words.startsWith('Loading'))).toEqual([
      'Loading the text encoder · 0 %',
      'Loading the UNet · 25 %',
    ]);
    expect(await page.locator('#frame-note').isVisible()).toBe(false);
  });

  test('lets a finger paint on a narrow screen, and everything fits there', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
    await using visit = await open(server.url, phone);
    const { page, errors, photograph } = visit;
    await connected(page);
    await page.locator('#settings > summary').click();
    await page
      .locator('#file')
      .setInputFiles({ name: 'teal.png', mimeType: 'image/png', buffer: await teal(128, 128) });
    await page.locator('#loras summary').click();
    await page.getByRole('button', { name: 'Add a LoRA' }).click();
    await page.locator('#control-nets summary').click();
    await page.getByRole('button', { name: 'Add a ControlNet' }).click();
    await page.getByRole('button', { name: 'Remove this ControlNet' }).waitFor();
    await photograph('phone-companions');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.getByRole('button', { name: 'Remove this ControlNet' }).click();
    await page.getByRole('button', { name: 'Paint a mask' }).click();
    const { x, y, width, height } = (await page.locator('#mask').boundingBox())!;
    const finger = await page.context().newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...touchPoints: { x: number; y: number }[]) =>
      finger.send('Input.dispatchTouchEvent', { type, touchPoints });
    await touch('touchStart', { x: x + width * 0.25, y: y + height * 0.1 });
    for (let share = 0.1; share <= 0.9; share += 0.1) {
      await touch('touchMove', { x: x + width * 0.25, y: y + height * share });
    }
    await touch('touchEnd');
    await photograph('phone-mask');
    for (const name of ['Paint', 'Erase', 'Invert', 'Clear', 'Done']) {
      const box = (await page.locator('#mask-dialog').getByRole('button', { name }).boundingBox())!;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(390);
      expect(box.y + box.height).toBeLessThanOrEqual(844);
      expect(box.height).toBeGreaterThanOrEqual(40);
    }
    await page.getByRole('button', { name: 'Done' }).click();
    await generate(page, 'a stripe');
    await expect.poll(() => runtime.requests.length).toBe(1);
    const { mask } = runtime.requests[0]!;
    expect([32, 96].map((column) => mask![64 * 128 + column])).toEqual([255, 0]);
    expect(errors).toEqual([]);
  });

  test('cancels with Escape, and keeps what there was to see', async () => {
    const runtime = createFakeRuntime({ hold: ({ step }) => (step === 3 ? new Promise(() => {}) : undefined) });
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
    await page.locator('#cancel').waitFor({ state: 'hidden' });
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

  test('leaves what somebody has filled in when the list of models comes late', async () => {
    await using server = await startTestServer();
    const context = await browser.newContext();
    let letThrough = () => {};
    const typed = new Promise<void>((resolve) => {
      letThrough = resolve;
    });
    await context.routeWebSocket(/./, (socket) => {
      const upstream = socket.connectToServer();
      upstream.onMessage(async (message) => {
        if (message.includes('modelSearch')) await typed;
        socket.send(message);
      });
    });
    const page = await context.newPage();
    await page.goto(server.url);
    await connected(page);
    await page.getByLabel('Width in pixels').fill('100');
    letThrough();
    await page.locator('#model option:not([value=""])').first().waitFor({ state: 'attached' });
    expect(await page.getByLabel('Width in pixels').inputValue()).toBe('100');
    await generate(page, 'too narrow');
    await page.locator('[data-parameter~="width"] .field-error').waitFor();
    await context.close();
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
    // It may have come back before anyone could press it.
    const tryNow = page.getByRole('button', { name: 'Try now' });
    await Promise.race([tryNow.click().catch(() => {}), connected(page)]);
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
    await using visit = await open(server.url, { viewport: { width, height }, colorScheme });
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
