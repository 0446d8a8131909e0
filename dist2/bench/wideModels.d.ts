import { type BlockDtype } from '../runtime/files/blocks.ts';
import type { StoredTensors } from '../runtime/files/safetensors.ts';

type Shapes = [name: string, ...shape: number[]][];
/** FLUX.2 klein 4B: 5 double and 20 single blocks of 24 heads; the text has 3 · 2560 channels. */
export declare function kleinShapes(): Shapes;
/** Z-Image: 30 layers of 30 heads, 2 + 2 before them; the text has 2560 channels. */
export declare function zImageShapes(): Shapes;
/** Qwen3 4B: 36 layers of 32 heads for queries and 8 for keys and values. */
export declare function qwen3Shapes(): Shapes;
/**
 * Writes one file of random numbers and gives the tensors of a model as ranges of it, which overlap: what is repacked from
 * it is as large as the real one, while this takes no more than its largest tensors.
 */
export declare function randomTensors(folder: string, shapes: Shapes, dtype: BlockDtype): Promise<StoredTensors>;
