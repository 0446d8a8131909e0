import type { Examination } from '../../runtime/index.ts';
export declare const doctorHelp =
  "Usage: latentwire doctor [options]\n\nTells what computes on this machine and why: the device, its precision, whether its fused attention gives right numbers, and\non which of the providers the nodes of a model's networks run. Options of the server are read from the same variables.\n\nOptions:\n  --model AIR          The model to look at. Default: local:pocket@1, the embedded one\n  --device NAME        auto, cpu, webgpu, cuda, coreml or dml. Default: LATENTWIRE_DEVICE, else auto\n  --precision NAME     auto, float32 or float16. Default: LATENTWIRE_PRECISION, else auto\n  --weights FORM       auto, stored, int8, int4 or float16. Default: LATENTWIRE_WEIGHTS, else auto\n  --json               Everything that was found, as JSON\n  --models-dir FOLDER  The models folder. Default: LATENTWIRE_MODELS_DIR (its first), else ~/.latentwire/models\n";
export declare function doctor(args: string[]): Promise<void>;
/** The report as text. */
export declare function reportOf(
  air: string,
  { provider, graphs, memoryBytes }: Examination,
  width?: number | undefined,
): string;
