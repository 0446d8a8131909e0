/** Transformers of FLUX.2 klein's and Z-Image's shape and their text encoders, with random weights: (e) of the table. */
import type { Written } from '../../runtime/graphs/builder.ts';
import type { Graph } from '../../runtime/onnx/graph.ts';
import { formOn } from '../../runtime/onnx/openWritten.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { residentMemory } from '../process.ts';
import { randomTensors } from '../wideModels.ts';
import type { WideNetwork } from '../wideNetworks.ts';
import { countAll } from '../wideShapes.ts';
import { type Cases, seconds } from './cases.ts';
import { usedDeviceMemory } from './deviceMemory.ts';
import { bytesOf, expectedCall, gib, measureCall, rowsText, withGraph } from './opened.ts';
import { measureRepacking, placePacked } from './packed.ts';
import { FOUR_BITS } from './report.ts';
import { operationsOf, type TransformerName, transformerShape } from './transformerShapes.ts';

/** How weights are stored: as floats of 16 bits, or in blocks of a GGUF file, which a graph holds in 4 bits. */
const forms = [
  { dtype: 'F16', ending: '' },
  { dtype: 'Q4_0', ending: FOUR_BITS },
] as const;

type Form = (typeof forms)[number];

export async function measureTransformers(cases: Cases, name: TransformerName): Promise<void> {
  const bench = new Transformers(cases, await cases.provider());
  const { title, transformer, encoder, steps } = transformerShape(name, cases.question.tiny);
  // Each takes its part of what the ones before it left. Opening the first one transposes all of its matrices.
  await cases.within(0.55, () => bench.denoiser(transformer, title, steps, forms[0]));
  await cases.within(0.6, () => bench.denoiser(transformer, title, steps, forms[1]));
  await cases.within(0.5, () => bench.encoder(encoder, title, forms[0]));
  await bench.encoder(encoder, title, forms[1]);
}

class Transformers {
  readonly #cases: Cases;
  readonly #provider: Provider;

  constructor(cases: Cases, provider: Provider) {
    this.#cases = cases;
    // Small networks are held as floats unless this is asked for; of the full size it is what `auto` does.
    this.#provider = { ...provider, weights: 'stored' };
  }

  async denoiser(
    network: WideNetwork,
    title: string,
    steps: readonly (readonly [number, number])[],
    form: Form,
  ): Promise<void> {
    const cases = this.#cases;
    const { done, died } = cases.question;
    const all = steps.map(([pixels, rows]) => ({
      pixels,
      rows,
      operations: rows * operationsOf(network, pixels),
      name: `${title} step, ${pixels}², ${rowsText(rows)}${form.ending}`,
    }));
    const least = (some: typeof all) => Math.min(...some.map(({ operations }) => operations));
    // Of what an earlier process died of, more would be worse.
    const deadly = least(all.filter(({ name }) => died.includes(name)));
    const left = all.filter(({ name }) => !done.includes(name));
    const coming = left.filter(({ operations }) => operations < deadly);
    for (const { name } of left.filter((step) => !coming.includes(step))) {
      cases.skip(name, 'a smaller call ended the process');
    }
    if (coming.length === 0) return;
    await this.#opened(network, `${title}, `, form, least(coming), async (graph, weightBytes, look) => {
      for (const { name, pixels, rows, operations } of coming) {
        await cases.each(name, expectedCall(operations), () =>
          measureCall(cases, graph, network.feeds(pixels, rows), { operations, rows, weightBytes }),
        );
        await look();
      }
    });
  }

  async encoder(network: WideNetwork, title: string, form: Form): Promise<void> {
    if (this.#cases.question.done.includes(`${title} text${form.ending}`)) return;
    const operations = operationsOf(network);
    await this.#opened(network, `${title} text encoder, `, form, operations, async (graph, weightBytes, look) => {
      const about = `${network.reads?.tokens} tokens`;
      await this.#cases.each(`${title} text${form.ending}`, expectedCall(operations), () =>
        measureCall(this.#cases, graph, network.feeds(0, 1), { operations, weightBytes, about }),
      );
      await look();
    });
  }

  /** @param least - operations of the smallest call: where not even that fits, nothing is opened */
  async #opened(
    network: WideNetwork,
    title: string,
    { dtype, ending }: Form,
    least: number,
    use: (graph: Graph, weightBytes: number, look: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const cases = this.#cases;
    const name = `${title}opening${ending}`;
    const weights = countAll(network.shapes);
    const about = `${(weights / 1e6).toFixed(0)} million weights`;
    const call = cases.callMs(least) ?? 0;
    if (2 * call > cases.leftMs()) {
      const left = seconds(cases.leftMs());
      return cases.skip(name, `${about}: the smallest call would take about ${seconds(call)}, and ${left} are left`);
    }
    // Scales add half a bit to four.
    const bytes = weights * (dtype === 'F16' ? 2 : 4.5 / 8);
    const before = await usedDeviceMemory();
    let written: Written | undefined;
    const write = async (folder: string) => {
      written = network.write(await randomTensors(folder, network.shapes, dtype), formOn(this.#provider));
      if (written.packing !== undefined) await placePacked(written.packing, folder);
      return written;
    };
    let most = 0;
    let opened: number | undefined;
    // One file has each kind of tensor once; a packed one has them all.
    const diskBytes = dtype === 'F16' ? bytes / 4 : bytes * 1.5;
    await withGraph(cases, this.#provider, name, { bytes, diskBytes, write }, async (graph, folder) => {
      opened = await usedDeviceMemory();
      const look = async () => {
        most = Math.max(most, (await usedDeviceMemory()) ?? 0);
      };
      await use(graph, bytesOf(written!), look);
      const { peak, anonymous } = residentMemory();
      const ofProcess = `this process ${gib(peak)} at most so far, ${gib(anonymous)} its own now`;
      const isTold = before !== undefined && opened !== undefined;
      cases.also({
        name: `${title}memory${ending}`,
        value: (isTold ? most - before : peak) / 2 ** 30,
        unit: 'GiB',
        detail: isTold
          ? `of the GPU, by nvidia-smi; ${gib(opened! - before)} when it was open, ${gib(before)} before; ${ofProcess}`
          : `the device does not tell of its own; ${ofProcess}`,
      });
      const { packing } = written!;
      if (packing === undefined) return;
      // The first opening of all has this before it, which would take too long here.
      await cases.each(`${title}repacking${ending}`, {}, async () => {
        const { weights: some, ms } = await measureRepacking(packing, folder);
        const detail = `once, before the first opening, for all of its ${about}; measured with ${(some / 1e6).toFixed(1)} million`;
        return { value: some / ms / 1000, unit: 'million weights/s', detail };
      });
    });
  }
}
