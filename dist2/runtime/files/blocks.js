import { halfFromBits } from '../tensors/float16.js';

const half = (bytes, at) => halfFromBits(bytes[at] | (bytes[at + 1] << 8));
/** The low nibbles of `count` bytes, then the high ones. */
function nibbles(bytes, at, codes, to, count, minus) {
  for (let j = 0; j < count; j++) {
    const byte = bytes[at + j];
    codes[to + j] = (byte & 15) - minus;
    codes[to + count + j] = (byte >> 4) - minus;
  }
}
/** Adds a fifth bit, worth 16, to 32 codes: bit j of four bytes belongs to code j. */
function fifthBits(bytes, at, codes) {
  for (let j = 0; j < 32; j++) codes[j] += ((bytes[at + (j >> 3)] >> (j & 7)) & 1) << 4;
}
/** Scale and minimum of one of the eight groups of Q4_K and Q5_K, six bits each, in 12 bytes. */
function scaleOfK(bytes, at, group) {
  if (group < 4) return [bytes[at + group] & 63, bytes[at + group + 4] & 63];
  const low = bytes[at + group + 4];
  return [(low & 15) | ((bytes[at + group - 4] >> 6) << 4), (low >> 4) | ((bytes[at + group] >> 6) << 4)];
}
/** Values of the codes of IQ4_NL and IQ4_XS. */
const unevenCodes = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
function unevenNibbles(bytes, at, codes, to) {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + j];
    codes[to + j] = unevenCodes[byte & 15];
    codes[to + 16 + j] = unevenCodes[byte >> 4];
  }
}
export const blockFormats = {
  Q4_0: {
    ...{ values: 32, bytes: 18, group: 32, bits: 4, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      scales[0] = half(bytes, at);
      nibbles(bytes, at + 2, codes, 0, 16, 8);
    },
  },
  Q4_1: {
    ...{ values: 32, bytes: 20, group: 32, bits: 4, hasMinima: true },
    unpack(bytes, at, codes, scales, minima) {
      scales[0] = half(bytes, at);
      minima[0] = half(bytes, at + 2) + 8 * scales[0];
      nibbles(bytes, at + 4, codes, 0, 16, 8);
    },
  },
  Q5_0: {
    ...{ values: 32, bytes: 22, group: 32, bits: 8, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      scales[0] = half(bytes, at);
      nibbles(bytes, at + 6, codes, 0, 16, 16);
      fifthBits(bytes, at + 2, codes);
    },
  },
  Q5_1: {
    ...{ values: 32, bytes: 24, group: 32, bits: 8, hasMinima: true },
    unpack(bytes, at, codes, scales, minima) {
      scales[0] = half(bytes, at);
      minima[0] = half(bytes, at + 2) + 16 * scales[0];
      nibbles(bytes, at + 8, codes, 0, 16, 16);
      fifthBits(bytes, at + 4, codes);
    },
  },
  Q8_0: {
    ...{ values: 32, bytes: 34, group: 32, bits: 8, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      scales[0] = half(bytes, at);
      // Stored to a signed array, a byte above 127 becomes negative, as it is meant.
      for (let j = 0; j < 32; j++) codes[j] = bytes[at + 2 + j];
    },
  },
  Q2_K: {
    ...{ values: 256, bytes: 84, group: 16, bits: 4, hasMinima: true },
    unpack(bytes, at, codes, scales, minima) {
      const [scale, minimum] = [half(bytes, at + 80), half(bytes, at + 82)];
      for (let group = 0; group < 16; group++) {
        const packed = bytes[at + group];
        scales[group] = scale * (packed & 15);
        minima[group] = -minimum * (packed >> 4) + 2 * scales[group];
        // 128 values in four rounds of two bits, each of two groups.
        const from = at + 16 + (group >> 3) * 32 + (group & 1) * 16;
        const shift = ((group >> 1) & 3) * 2;
        for (let j = 0; j < 16; j++) codes[group * 16 + j] = ((bytes[from + j] >> shift) & 3) - 2;
      }
    },
  },
  Q3_K: {
    ...{ values: 256, bytes: 110, group: 16, bits: 4, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      const scale = half(bytes, at + 108);
      for (let group = 0; group < 16; group++) {
        // Six bits: the low four in the nibbles of bytes 0–7, the high two in bytes 8–11.
        const low = (bytes[at + 96 + (group & 7)] >> (group < 8 ? 0 : 4)) & 15;
        const high = (bytes[at + 104 + (group & 3)] >> ((group >> 2) * 2)) & 3;
        scales[group] = scale * ((low | (high << 4)) - 32);
        const from = at + 32 + (group >> 3) * 32 + (group & 1) * 16;
        const shift = ((group >> 1) & 3) * 2;
        const third = at + (group & 1) * 16;
        for (let j = 0; j < 16; j++) {
          const isHigh = (bytes[third + j] >> (group >> 1)) & 1;
          codes[group * 16 + j] = ((bytes[from + j] >> shift) & 3) - (isHigh ? 0 : 4);
        }
      }
    },
  },
  Q4_K: {
    ...{ values: 256, bytes: 144, group: 32, bits: 4, hasMinima: true },
    unpack(bytes, at, codes, scales, minima) {
      const [scale, minimum] = [half(bytes, at), half(bytes, at + 2)];
      for (let group = 0; group < 8; group++) {
        const [s, m] = scaleOfK(bytes, at + 4, group);
        scales[group] = scale * s;
        minima[group] = -minimum * m + 8 * scales[group];
      }
      for (let pair = 0; pair < 4; pair++) nibbles(bytes, at + 16 + pair * 32, codes, pair * 64, 32, 8);
    },
  },
  Q5_K: {
    ...{ values: 256, bytes: 176, group: 32, bits: 8, hasMinima: true },
    unpack(bytes, at, codes, scales, minima) {
      const [scale, minimum] = [half(bytes, at), half(bytes, at + 2)];
      for (let pair = 0; pair < 4; pair++) nibbles(bytes, at + 48 + pair * 32, codes, pair * 64, 32, 16);
      for (let group = 0; group < 8; group++) {
        const [s, m] = scaleOfK(bytes, at + 4, group);
        scales[group] = scale * s;
        minima[group] = -minimum * m + 16 * scales[group];
        for (let j = 0; j < 32; j++) codes[group * 32 + j] += ((bytes[at + 16 + j] >> group) & 1) << 4;
      }
    },
  },
  Q6_K: {
    ...{ values: 256, bytes: 210, group: 16, bits: 8, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      const scale = half(bytes, at + 208);
      for (let group = 0; group < 16; group++) scales[group] = scale * ((bytes[at + 192 + group] << 24) >> 24);
      for (let part = 0; part < 2; part++) {
        const [low, high, to] = [at + part * 64, at + 128 + part * 32, part * 128];
        for (let j = 0; j < 32; j++) {
          const [a, b, top] = [bytes[low + j], bytes[low + 32 + j], bytes[high + j]];
          codes[to + j] = ((a & 15) | ((top & 3) << 4)) - 32;
          codes[to + 32 + j] = ((b & 15) | (((top >> 2) & 3) << 4)) - 32;
          codes[to + 64 + j] = ((a >> 4) | (((top >> 4) & 3) << 4)) - 32;
          codes[to + 96 + j] = ((b >> 4) | ((top >> 6) << 4)) - 32;
        }
      }
    },
  },
  IQ4_NL: {
    ...{ values: 32, bytes: 18, group: 32, bits: 8, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      scales[0] = half(bytes, at);
      unevenNibbles(bytes, at + 2, codes, 0);
    },
  },
  IQ4_XS: {
    ...{ values: 256, bytes: 136, group: 32, bits: 8, hasMinima: false },
    unpack(bytes, at, codes, scales) {
      const scale = half(bytes, at);
      const highs = bytes[at + 2] | (bytes[at + 3] << 8);
      for (let group = 0; group < 8; group++) {
        const low = (bytes[at + 4 + (group >> 1)] >> ((group & 1) * 4)) & 15;
        scales[group] = scale * ((low | (((highs >> (2 * group)) & 3) << 4)) - 32);
        unevenNibbles(bytes, at + 8 + group * 16, codes, group * 32);
      }
    },
  },
};
export function isBlockDtype(dtype) {
  return Object.hasOwn(blockFormats, dtype);
}
/** The values of whole blocks, as float32. */
export function dequantise(dtype, bytes) {
  const format = blockFormats[dtype];
  const blocks = Math.floor(bytes.length / format.bytes);
  const values = new Float32Array(blocks * format.values);
  const codes = new Int8Array(format.values);
  const scales = new Float32Array(format.values / format.group);
  const minima = new Float32Array(format.values / format.group);
  const shift = format.group === 16 ? 4 : 5;
  for (let block = 0; block < blocks; block++) {
    format.unpack(bytes, block * format.bytes, codes, scales, minima);
    const to = block * format.values;
    for (let j = 0; j < format.values; j++) values[to + j] = scales[j >> shift] * codes[j] + minima[j >> shift];
  }
  return values;
}
/** The 256 values of an 8-bit float: sign, exponent, fraction. */
function float8Table(exponentBits, hasInfinity) {
  const fractionBits = 7 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const table = new Float32Array(256);
  for (let bits = 0; bits < 256; bits++) {
    const sign = bits & 128 ? -1 : 1;
    const exponent = (bits & 127) >> fractionBits;
    const fraction = bits & (2 ** fractionBits - 1);
    const scaled = fraction / 2 ** fractionBits;
    if (exponent === 0) table[bits] = sign * scaled * 2 ** (1 - bias);
    else table[bits] = sign * (1 + scaled) * 2 ** (exponent - bias);
    if (!hasInfinity && (bits & 127) === 127) table[bits] = Number.NaN;
    if (hasInfinity && exponent === 31) table[bits] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  return table;
}
/** By safetensors' names: e4m3fn (bias 7, no infinity, 448 the largest) and e5m2 (IEEE-like, bias 15). */
export const float8Tables = {
  F8_E4M3: float8Table(4, false),
  F8_E5M2: float8Table(5, true),
};
export function isFloat8(dtype) {
  return Object.hasOwn(float8Tables, dtype);
}
//# sourceMappingURL=blocks.js.map
