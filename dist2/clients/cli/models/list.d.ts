export declare const listHelp: string;
export declare function list(args: string[]): Promise<void>;
