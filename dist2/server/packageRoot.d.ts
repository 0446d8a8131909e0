/** The folder of this package, the same for sources and for what is built into `dist/`. */
export declare const packageRoot: string;
export declare const packageVersion: string;
