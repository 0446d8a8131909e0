import { ChildProcess } from 'node:child_process';
import type { FromRuntime } from '../../runtime/messages.ts';

/** Hears what processes of the runtime say, as it arrives: each list is what came in one message. */
export function overhear(hear: (message: readonly FromRuntime[]) => void): Disposable {
  const { emit } = ChildProcess.prototype;
  ChildProcess.prototype.emit = function (this: ChildProcess, name: string, ...given: unknown[]) {
    if (name === 'message') hear([given[0] as FromRuntime | FromRuntime[]].flat());
    return Reflect.apply(emit, this, [name, ...given]) as boolean;
  } as typeof emit;
  return {
    [Symbol.dispose]() {
      ChildProcess.prototype.emit = emit;
    },
  };
}
