/** Sent when the runtime has said that a run is over, however it ended. */
export interface RunEnded {
  seed: bigint;
  at: number;
}
