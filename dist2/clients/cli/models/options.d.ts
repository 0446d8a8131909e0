/** Which models folder the commands work on. */
export declare const localOptions: {
  readonly 'models-dir': {
    readonly type: 'string';
  };
};
export declare const localOptionsHelp =
  '  --models-dir FOLDER  The models folder. Default: LATENTWIRE_MODELS_DIR (its first), else ~/.latentwire/models';
