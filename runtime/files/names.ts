const ending = /\.(safetensors|gguf)$/i;

/** Whether a file is named as one of weights that a model may be: safetensors or GGUF. */
export function isWeightsFile(file: string): boolean {
  return ending.test(file);
}

/** A file of weights without its ending, as its companions and the model are named; any other name as it is. */
export function weightsStem(file: string): string {
  return file.replace(ending, '');
}
