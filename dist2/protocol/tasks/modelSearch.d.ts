/** Lists the models of this server. One catalog, in one order. */
export interface ModelSearchTask {
  taskType: 'modelSearch';
  taskUUID: string;
  /** Words to find in name, AIR, description or tags. */
  search?: string | undefined;
  /** All of them must be there. */
  tags?: string[] | undefined;
  /** In lower case, and `lora` where `lycoris` was asked for. */
  category?: string | undefined;
  type?: string | undefined;
  architecture?: string | undefined;
  limit: number;
  offset: number;
}
export declare const modelSearch: import('../parameters.ts').TaskKind<ModelSearchTask>;
