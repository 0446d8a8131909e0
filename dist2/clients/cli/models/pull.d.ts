import { Hub, type Repository } from './hub.ts';
import { type Wishes } from './selection.ts';
export declare const pullHelp =
  "Usage: latentwire models pull REPOSITORY[@REVISION] [options]\n\nFetches a model from Hugging Face, or from what HF_ENDPOINT names: of a diffusers pipeline the configs, the tokenizers and\none set of safetensors weights; of other repositories the one model in them. Every file is checked against its checksum.\nCtrl-C keeps what has come; the same command goes on from there. The AIR to use is all that goes to stdout.\n\nOptions:\n  --air AIR            A name for tasks. Default: local:NAME@1; the repository's own name means it, too\n  --name NAME          What to call it in the models folder. Default: as the repository is called\n  --alias NAME         Another name for tasks; may be given more than once\n  --variant NAME       Weights of that variant, such as fp16, where there are. Default: those without, else what there is\n  --include PATTERN    Take the files that fit (* and ?), and no others; may be given more than once\n  --exclude PATTERN    Leave out the files that fit; may be given more than once\n  --force              Take the AIR or alias from the model that has it in models.json\n  --models-dir FOLDER  The models folder. Default: LATENTWIRE_MODELS_DIR (its first), else ~/.latentwire/models\n\nVariables: HF_ENDPOINT (default https://huggingface.co), HF_TOKEN for private and gated repositories, sent there only.\n";
export declare function pull(args: string[]): Promise<void>;
/**
 * Fetches what is needed of a repository into the models folder.
 *
 * @returns the name of the new folder or file
 */
export declare function fetchModel(
  hub: Hub,
  repository: Repository,
  wishes: Wishes,
  modelsDir: string,
  name: string,
): Promise<string>;
