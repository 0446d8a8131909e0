/**
 * Lines of text in columns. Where a terminal (`width` in characters given) is too narrow for the last one, it goes below
 * its row, wrapped; elsewhere nothing is moved, because what reads it may be a program.
 */
export declare function table(rows: readonly (readonly string[])[], width?: number): string;
/** The width to give to {@link table}: that of the terminal that stdout is, if it is one. */
export declare function terminalWidth(): number | undefined;
