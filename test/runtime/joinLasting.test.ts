import { expect, test } from 'vitest';
import { joinLasting } from '../../runtime/onnx/graph.ts';
import { floats } from '../../runtime/tensors/tensor.ts';

/** 8 MiB. */
const large = () => floats(new Float32Array(2 * 2 ** 20), [1, 2 * 2 ** 20]);

test('tensors joined again are the same array, until many others have been joined', () => {
  const [a, b] = [large(), large()];
  const whole = joinLasting([a, b]);
  expect(whole.dims).toEqual([2, 2 * 2 ** 20]);
  expect(joinLasting([a, b])).toBe(whole);
  expect(joinLasting([a, a])).not.toBe(whole);
  const again = joinLasting([a, b]);
  for (let others = 0; others < 7; others++) joinLasting([large(), large()]);
  expect(joinLasting([a, b])).toBe(again);
  for (let others = 0; others < 8; others++) joinLasting([large(), large()]);
  expect(joinLasting([a, b])).not.toBe(again);
});
