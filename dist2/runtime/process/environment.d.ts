/** What of an environment a child process is given. */
export declare function childEnvironment(parent: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv;
