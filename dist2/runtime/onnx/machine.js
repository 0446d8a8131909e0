import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { env } from './onnxruntime.js';
/**
 * What computes here, in words: another text where measured times do not hold, such as after an update of onnxruntime or
 * on another machine with the same disk. onnxruntime does not tell which GPU it took, so all that Linux lists are named.
 */
export function machineOf({ name, deviceId, threads }) {
  const [cpu] = cpus();
  const parts = [
    deviceId === undefined ? name : `${name}:${deviceId}`,
    `onnxruntime ${env.versions.node ?? env.versions.common}`,
  ];
  parts.push(`${threads ?? availableParallelism()} threads of ${cpu?.model.trim() ?? process.arch}`);
  return [...parts, ...(name === 'cpu' ? [] : gpus())].join(', ');
}
function gpus() {
  const ofNvidia = within('/proc/driver/nvidia/gpus', 'information').map((text) => /^Model:\s*(.+)$/m.exec(text)?.[1]);
  // Numbers of the vendor and the device, as PCI has them.
  const ofAny = within('/sys/class/drm', 'device/uevent').map((text) => /^PCI_ID=(.+)$/m.exec(text)?.[1]);
  return [...new Set([...ofNvidia, ...ofAny])].filter((gpu) => gpu !== undefined).sort();
}
/** One file of each entry of a folder, as far as they can be read. */
function within(folder, file) {
  try {
    return readdirSync(folder).flatMap((entry) => {
      try {
        return readFileSync(join(folder, entry, file), 'utf8');
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
//# sourceMappingURL=machine.js.map
