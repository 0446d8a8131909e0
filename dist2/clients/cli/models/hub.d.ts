/** How the bytes of a file are told to be right: git's name of a blob for small files, sha256 for those in LFS. */
export interface Checksum {
  algorithm: 'sha256' | 'gitBlob';
  /** Lower case. */
  hex: string;
}
export interface HubFile {
  /** With slashes; never out of the repository. */
  path: string;
  /** Absent where the listing does not say; the answer to the download does then. */
  bytes?: number;
  checksum?: Checksum;
}
export interface Repository {
  /** `owner/name` */
  id: string;
  /** What the revision means now; everything is fetched of this one. */
  commit: string;
  files: HubFile[];
}
export interface HubOptions {
  /** Such as `https://huggingface.co`. */
  endpoint: string;
  /** Sent to that origin only. */
  token?: string | undefined;
  signal: AbortSignal;
  /** The wait before a failed request is repeated, doubled each time. Milliseconds, default 1000. */
  retryDelayMs?: number;
  /** A download that brings nothing for this long counts as cut. Milliseconds, default 60000. */
  stallMs?: number;
}
interface HubErrorDetails {
  passing?: boolean;
  retryAfterMs?: number | undefined;
  status?: number;
}
/** A request failed; the message is a sentence without addresses, because those of a CDN are signed. */
export declare class HubError extends Error {
  readonly name = 'HubError';
  /** Whether it may work the next time. */
  readonly passing: boolean;
  /** The server's wish. */
  readonly retryAfterMs: number | undefined;
  /** Of HTTP, where a server answered. */
  readonly status: number | undefined;
  constructor(message: string, options?: ErrorOptions & HubErrorDetails);
}
/** A file as the server sends it. */
export interface Sent {
  response: Response;
  /** What the endpoint itself says of the file, which is not what the CDN behind it says. */
  told: {
    bytes?: number;
    checksum?: Checksum;
  };
}
/** A Hugging Face-compatible endpoint: the two requests that fetching a repository needs. */
export declare class Hub {
  #private;
  constructor(options: HubOptions);
  get signal(): AbortSignal;
  get stallMs(): number;
  /** What a repository holds. Throws {@link HubError}, also where a path leads out of it. */
  list(id: string, revision: string): Promise<Repository>;
  /** Begins to fetch a file, `from` a byte on; the server may ignore that and send the whole. Not repeated by itself. */
  open({ id, commit }: Repository, path: string, from: number): Promise<Sent>;
  /**
   * Repeats what fails for reasons that pass, a few times, ever more slowly.
   *
   * @param advanced - asked after a failure: whether there was progress, so that the counting begins anew
   */
  retrying<T>(work: () => Promise<T>, advanced?: () => boolean): Promise<T>;
}
