import { existsSync } from 'node:fs';

/** Tests on a GPU, or on a program that imitates one, take long: LATENTWIRE_TEST_WEBGPU=1 runs them. */
export const testsWebGpu = process.env.LATENTWIRE_TEST_WEBGPU === '1';

/** Behind the name of a group of tests that is skipped. */
export const whenSkipped = testsWebGpu ? '' : ' (set LATENTWIRE_TEST_WEBGPU=1 to run these)';

/** SwiftShader, as Debian's chromium package brings it: float32 alone, since it has no half precision. */
export const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';

if (testsWebGpu && process.platform === 'linux' && !existsSync('/dev/dri') && existsSync(swiftShader)) {
  if (process.env.VK_DRIVER_FILES === undefined) process.env.VK_ICD_FILENAMES ??= swiftShader;
}
