import { expect } from 'vitest';

// Pictures and tensors are compared as bytes: `toEqual` alone looks at each number by its name, which takes a second for a
// picture of 256 pixels. What differs in kind or length is left to it.
expect.addEqualityTesters([
  (a: unknown, b: unknown) => {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
    if (a.byteLength !== b.byteLength) return undefined;
    return bytes(a).equals(bytes(b));
  },
]);

const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
