/**
 * The state of the device after a failed call: it is lost and fails every further call, or it has too little memory for
 * this one. Other failures are faults of the graph or the request.
 */
export type Fault = 'deviceLost' | 'outOfMemory';

/** onnxruntime has no error codes for these, so its messages and those of lower layers are matched. */
const words: Record<Fault, readonly RegExp[]> = {
  deviceLost: [
    // WebGPU, with a Vulkan driver that answers VK_ERROR_DEVICE_LOST; seen.
    /\[?device[^a-z]{0,3} (is|was|has been) lost/i,
    /DEVICE_(LOST|REMOVED|HUNG|RESET)\b/,
    // DirectML and Direct3D 12 report such numbers.
    /\b887A000[5-7]\b/i,
    // CUDA: a kernel that crashed or ran too long, or a disconnected card, makes the context of the process unusable.
    /CUDA failure (46|214|700|702|709|710|718|719|999)\b/,
    /an illegal memory access was encountered|unspecified launch failure|the launch timed out and was terminated/i,
  ],
  outOfMemory: [
    // WebGPU: a buffer above the maximum size, or too little memory of the driver; both seen.
    /exceeds the max (buffer size|storage buffer binding size) limit/i,
    /\[Invalid Buffer[^\]]*\] is invalid due to a previous error/i,
    /OUT_OF_(HOST_|DEVICE_)?MEMORY\b|E_OUTOFMEMORY\b|\b8007000E\b/i,
    // CUDA (failure 2), cuBLAS, and onnxruntime's arenas on any device; the last two seen on the CPU.
    /out of memory|_STATUS_ALLOC_FAILED/i,
    /failed to allocate memory for requested buffer|available memory of \d+ is smaller than requested/i,
    /bad_alloc/,
  ],
};

/** The state of the device from a message of onnxruntime; undefined if it says nothing about it. */
export function faultIn(message: string): Fault | undefined {
  for (const fault of ['deviceLost', 'outOfMemory'] as const) {
    if (words[fault].some((pattern) => pattern.test(message))) return fault;
  }
  return undefined;
}
