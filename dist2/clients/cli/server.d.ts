import { type Client } from '../typescript/index.ts';
/** How the client commands find their server. */
export declare const serverOptions: {
  readonly url: {
    readonly type: 'string';
  };
  readonly 'api-key': {
    readonly type: 'string';
  };
};
export declare const serverOptionsHelp =
  '  --url URL            The server. Default: LATENTWIRE_URL, else http://127.0.0.1:7420\n  --api-key KEY        A key of the server. Default: LATENTWIRE_API_KEY. Other users of the machine can read flags';
export interface ServerChoice {
  url?: string | undefined;
  'api-key'?: string | undefined;
}
/**
 * Runs `use` with a connected client. Where no server was named and none answers at the usual place, one is started in
 * this process and stopped afterwards.
 */
export declare function withServer(choice: ServerChoice, use: (client: Client) => Promise<void>): Promise<void>;
