import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TaskError } from '../../protocol/errors.ts';
import { parseJson } from '../../protocol/json.ts';
import { httpReplySchema, serverFrameSchema } from '../../protocol/replySchemas.ts';
import { parseRequest, parseTask, tasks } from '../../protocol/tasks/index.ts';

const document = readFileSync(new URL('../../protocol/PROTOCOL.md', import.meta.url), 'utf8');

/** Every JSON block with the line that says who sends it. */
const examples = [...document.matchAll(/^(.*)\n\n```json\n([\s\S]*?)\n```$/gm)].map(
  ([, label = '', text = ''], index) => ({
    name: `${index + 1}: ${label}`,
    label,
    text,
  }),
);
const labelled = (start: string) => examples.filter(({ label }) => label.startsWith(start));

/** What a client is told about a parameter that it sent wrong. */
function factsTold(taskType: string, parameter: string) {
  const [, outer = '', entry, inner] = /^(\w+)(\[0\])?(?:\.(\w+))?$/.exec(parameter) ?? [];
  // No parameter takes a symbol, and nothing but the parameter at fault comes before it in the task.
  const object = { model: 'local:any@1', guideImage: '2f1e3c5a-9b7d-4c1e-8a63-5f0d2b4c6e81' };
  const nested = inner === undefined ? Symbol('wrong') : { ...object, [inner]: Symbol('wrong') };
  const wrong = entry === undefined ? nested : [nested];
  try {
    parseTask({ taskType, taskUUID: '2f1e3c5a-9b7d-4c1e-8a63-5f0d2b4c6e81', positivePrompt: 'x', [outer]: wrong });
  } catch (error) {
    if (error instanceof TaskError && error.parameter === parameter) return error.toWire();
    throw error;
  }
  throw new Error(`${parameter} was taken`);
}

describe('PROTOCOL.md', () => {
  it('says of every JSON block who sends it', () => {
    expect(examples).toHaveLength(document.match(/```json/g)?.length ?? 0);
    for (const { name, label } of examples) {
      expect(label, name).toMatch(/^(Client|Server|HTTP request|HTTP reply)( \(.+\))?:$/);
    }
  });

  it.each([...labelled('Client:'), ...labelled('HTTP request:')])(
    'has a request that the server takes: $name',
    ({ text }) => {
      for (const task of parseRequest(text)) parseTask(task);
    },
  );

  it.each(labelled('Client (refused):'))(
    'has a request that is refused with the error it shows: $name',
    ({ name, text }) => {
      const answer = examples[Number.parseInt(name, 10)];
      const { errors } = parseJson(answer?.text ?? '') as { errors: unknown[] };
      const [task] = parseRequest(text);
      expect(() => parseTask(task)).toThrow(expect.objectContaining({ name: 'TaskError' }));
      try {
        parseTask(task);
      } catch (error) {
        expect((error as { toWire(): unknown }).toWire()).toEqual(errors[0]);
      }
    },
  );

  it.each([...labelled('Server')])('has a frame that a server may send: $name', ({ text }) => {
    serverFrameSchema.parse(parseJson(text));
  });

  it.each(labelled('HTTP reply:'))('has an HTTP reply that a server may send: $name', ({ text }) => {
    httpReplySchema.parse(parseJson(text));
  });

  it('has an example of every task type', () => {
    const sent = labelled('Client:').flatMap(({ text }) => parseRequest(text) as { taskType: string }[]);
    expect(new Set(sent.map(({ taskType }) => taskType))).toEqual(new Set(Object.keys(tasks)));
  });

  it.each(Object.entries(tasks))('names every parameter of %s', (_taskType, { shape }) => {
    for (const parameter of Object.keys(shape)) expect(document).toContain(`\`${parameter}\``);
  });

  it.each([
    ['imageInference', ''],
    ['upscale', ''],
    ['taskCancel', ''],
    ['modelSearch', ''],
    ['Previews', 'previews.'],
    ['Outpainting', 'outpaint.'],
    ['LoRAs, embeddings, VAE', 'lora[0].'],
    ['LoRAs, embeddings, VAE', 'lycoris[0].'],
    ['LoRAs, embeddings, VAE', 'embeddings[0].'],
    ['ControlNets', 'controlNet[0].'],
    ['Refiner', 'refiner.'],
  ])('gives the ranges and defaults that the server has, under %s', (heading, prefix) => {
    const section = document.split(/^##+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
    const rows = [...section.matchAll(/^\| (`.+?`) \| (−?\d+)–(\d+)[^|]*\| ([^|]*)/gm)];
    expect(rows.length).toBeGreaterThan(0);
    for (const [, names = '', min, max, byDefault = ''] of rows) {
      for (const [, name = ''] of names.matchAll(/`(\w+)`/g)) {
        const facts = factsTold(prefix === '' ? heading : 'imageInference', prefix + name);
        // Exactly: the largest seed is beyond what a number can tell from its neighbours.
        expect([facts.min, facts.max].map(String), name).toEqual([min?.replace('−', '-'), max]);
        if (facts.default !== undefined) expect(byDefault.trim(), name).toMatch(new RegExp(`^\`?${facts.default}\`?$`));
      }
    }
  });

  it('links only to headings it has', () => {
    const anchors = [...document.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, anchor] of document.matchAll(/\]\(#([\w-]+)\)/g)) expect(anchors).toContain(anchor);
  });
});
