import type { CheckpointItem, PartItem, UpscalerItem } from '../../protocol/replies.ts';

/** A checkpoint; `air` is for the `model` of a task. */
export type ModelInfo = CheckpointItem;

/** A part or addon; its `air` is for the parameter of its `category`. */
export type PartInfo = PartItem;

/** An upscaler; `air` is for the `model` of `upscale`. */
export type UpscalerInfo = UpscalerItem;

export type ModelCategory = (ModelInfo | PartInfo | UpscalerInfo)['category'];

/** A filter of models; all given fields must match. */
export interface ModelQuery<Category extends ModelCategory = ModelCategory> {
  /** Default `checkpoint`. */
  category?: Category;
  /** Words to find in name, AIR id, description or tags. */
  search?: string;
  /** Such as `sd1x` or `sdxl`. */
  architecture?: string;
  tags?: string[];
}

/** The facts about a model of this category. */
export type ModelOf<Category extends ModelCategory> = Category extends 'checkpoint'
  ? ModelInfo
  : Category extends 'upscaler'
    ? UpscalerInfo
    : PartInfo & { category: Category };
