/** `latentwire models …`; without the name of a command, `list`. */
export declare function models(args: string[]): Promise<void>;
export declare function modelsHelp(args: string[]): Promise<string>;
