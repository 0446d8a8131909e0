import type { CheckpointItem, PartItem } from '../../protocol/replies.ts';
/** A model that makes images; `air` is what a task's `model` says. */
export type ModelInfo = CheckpointItem;
/** What is used beside such a model; its `air` goes into the parameter that `category` tells. */
export type PartInfo = PartItem;
export type ModelCategory = (ModelInfo | PartInfo)['category'];
/** Which models are listed; all that is named must fit. */
export interface ModelQuery<Category extends ModelCategory = ModelCategory> {
  /** Default `checkpoint`. */
  category?: Category;
  /** Words to find in name, AIR id, description or tags. */
  search?: string;
  /** Such as `sd1x` or `sdxl`. */
  architecture?: string;
  tags?: string[];
}
/** What is known of a model of this category. */
export type ModelOf<Category extends ModelCategory> = Category extends 'checkpoint'
  ? ModelInfo
  : PartInfo & {
      category: Category;
    };
