import { Cache } from '../cache.js';
import { componentLabel } from '../checkpoints/configs.js';
import { tokenizerOf } from '../families/family.js';
import { scalingOf } from './images.js';
import { unavailable } from './lazyGraph.js';

/** Encoded prompts kept for each model; the states of one text encoder take 0.4 MB and more. */
const KEPT_PROMPTS = 64;
/** A model as the runtime holds it: what its files say, and its networks, loaded when a run first needs them. */
export class Model {
  configs;
  scaling;
  latentRgb;
  /** What prompts became, by a key that the family makes of everything it depends on. */
  prompts = new Cache(KEPT_PROMPTS);
  connect;
  networks = new Map();
  shallow;
  tokenizers = new Map();
  constructor(checkpoint, connect) {
    this.configs = checkpoint;
    this.connect = connect;
    const { configs, settings, family } = checkpoint;
    this.scaling = scalingOf(configs.vae, checkpoint);
    this.latentRgb = settings.latentRgbFactors
      ? { factors: settings.latentRgbFactors, bias: settings.latentRgbBias }
      : family.latents.rgb;
  }
  network(component) {
    let network = this.networks.get(component);
    if (!network) {
      network = this.connect(componentLabel(this.configs, component), {
        locate: () => this.configs.component(component),
        // Text encoders always take textual inversions and masks: a run without them pays less than can be measured.
        write: ({ config, tensors }, form) =>
          this.configs.family.networks[component].write(config, tensors, {
            ...form,
            extraEmbeddings: true,
            attentionMask: true,
          }),
      });
      this.networks.set(component, network);
    }
    return network;
  }
  /** Where the weights of a component are. @throws RuntimeError `modelUnavailable` */
  source(component) {
    return this.network(component).located();
  }
  /** The outermost layers of the denoiser, as a network of their own. @throws Error where its kind has none */
  shallowDenoiser() {
    const { family } = this.configs;
    const { shallow } = family.networks.denoiser;
    if (!shallow) throw new Error(`The ${family.denoiserFolder} has no outermost layers that run alone.`);
    this.shallow ??= this.connect(`shallow_${family.denoiserFolder}`, {
      locate: async () => {
        const source = await this.configs.component('denoiser');
        return source.kind === 'onnx' ? source : { ...source, tensors: shallow.tensors(source.tensors) };
      },
      write: ({ config, tensors }, form) => shallow.write(config, tensors, form),
    });
    return this.shallow;
  }
  /** What `openTokenizer` of the encoder's kind gives. @throws RuntimeError `modelUnavailable` */
  tokenizer(encoder) {
    let tokenizer = this.tokenizers.get(encoder);
    if (!tokenizer) {
      tokenizer = this.openTokenizer(encoder).catch((error) => {
        this.tokenizers.delete(encoder);
        throw unavailable(error);
      });
      this.tokenizers.set(encoder, tokenizer);
    }
    return tokenizer;
  }
  async openTokenizer(encoder) {
    const { family, configs } = this.configs;
    const source = await this.configs.tokenizer(tokenizerOf(encoder));
    return family.networks[encoder].openTokenizer(source, configs[encoder]);
  }
}
//# sourceMappingURL=model.js.map
