export declare const removeHelp =
  'Usage: latentwire models remove AIR|NAME [--yes]\n\nDeletes a model of the models folder and its names in models.json. Without --yes it only tells what would go. Of a model\nthat was linked, the original stays where it is.\n\nOptions:\n  --yes                Do it\n  --models-dir FOLDER  The models folder. Default: LATENTWIRE_MODELS_DIR (its first), else ~/.latentwire/models\n';
export declare function remove(args: string[]): Promise<void>;
