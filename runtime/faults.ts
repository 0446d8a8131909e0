/**
 * What a failed call says of the device: it is lost, and fails every call from now on; or it has not enough memory for this
 * one. Everything else is the graph's or the request's own fault.
 */
export type Fault = 'deviceLost' | 'outOfMemory';

/** Onnxruntime has no codes for these, so its words tell, and those of the layers below it. */
const words: Record<Fault, readonly RegExp[]> = {
  deviceLost: [
    // WebGPU, with a Vulkan driver that answers VK_ERROR_DEVICE_LOST; seen.
    /\[?device[^a-z]{0,3} (is|was|has been) lost/i,
    /DEVICE_(LOST|REMOVED|HUNG|RESET)\b/,
    // DirectML and Direct3D 12 give such numbers alone.
    /\b887A000[5-7]\b/i,
    // CUDA: a kernel that crashed or ran too long, or a card that fell off the bus, poisons the context of the process.
    /CUDA failure (46|214|700|702|709|710|718|719|999)\b/,
    /an illegal memory access was encountered|unspecified launch failure|the launch timed out and was terminated/i,
  ],
  outOfMemory: [
    // WebGPU, where a buffer is larger than any may be, or where the driver had no memory for it; both seen.
    /exceeds the max (buffer size|storage buffer binding size) limit/i,
    /\[Invalid Buffer[^\]]*\] is invalid due to a previous error/i,
    /OUT_OF_(HOST_|DEVICE_)?MEMORY\b|E_OUTOFMEMORY\b|\b8007000E\b/i,
    // CUDA (failure 2), cuBLAS, and onnxruntime's arenas on any device; the last two seen on the CPU.
    /out of memory|_STATUS_ALLOC_FAILED/i,
    /failed to allocate memory for requested buffer|available memory of \d+ is smaller than requested/i,
    /bad_alloc/,
  ],
};

/** What a message of onnxruntime says of the device; undefined where it says nothing. */
export function faultIn(message: string): Fault | undefined {
  for (const fault of ['deviceLost', 'outOfMemory'] as const) {
    if (words[fault].some((pattern) => pattern.test(message))) return fault;
  }
  return undefined;
}
