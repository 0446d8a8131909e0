/** Which models folder the commands work on. */
export const localOptions = { 'models-dir': { type: 'string' } };
export const localOptionsHelp =
  '  --models-dir FOLDER  The models folder. Default: LATENTWIRE_MODELS_DIR (its first), else ~/.latentwire/models';
//# sourceMappingURL=options.js.map
