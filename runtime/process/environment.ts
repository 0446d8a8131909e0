/**
 * Variables for a child process: to find programs, folders and libraries, and to set up Node, memory and devices.
 * Everything else stays in the parent, including the API keys of the server.
 */
const kept: readonly RegExp[] = [
  // Folders, language and time of the machine.
  /^(path|pathext|home|homedrive|homepath|user|username|userprofile|logname|shell|lang|language|tz|tmpdir|tmp|temp)$/i,
  /^(lc_\w+|xdg_\w+|appdata|localappdata|programdata|programfiles.*|commonprogramfiles.*)$/i,
  /^(systemroot|systemdrive|windir|comspec|os|number_of_processors|processor_\w+)$/i,
  // Loaders of shared libraries, and memory.
  /^(ld_\w+|dyld_\w+|malloc_\w+|glibc_tunables|mimalloc_\w+|jemalloc_\w+)$/i,
  // Node, except NODE_AUTH_TOKEN and similar.
  /^(node_options|node_path|node_v8_coverage|node_debug|node_extra_ca_certs|uv_threadpool_size)$/i,
  // onnxruntime and its devices.
  /^(ort_\w+|onnxruntime_\w+|omp_\w+|kmp_\w+|openblas_\w+|mkl_\w+|gomp_\w+)$/i,
  /^(cuda\w*|cudnn\w*|cublas\w*|nvidia_\w+|nccl_\w+|tensorrt\w*|hip_\w+|hsa_\w+|rocr_\w+|rocm\w*|amd_\w+)$/i,
  /^(vk_\w+|mesa_\w+|libgl_\w+|gallium_\w+|lp_\w+|dawn_\w+|wgpu_\w+|display|wayland_display|metal_\w+|mtl_\w+)$/i,
];

/** Never passed on, even if a pattern matches. */
const secret = /key|token|secret|passw|credential|auth/i;

/** The part of an environment for a child process. */
export function childEnvironment(parent: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(parent).filter(([name]) => !secret.test(name) && kept.some((pattern) => pattern.test(name))),
  );
}
