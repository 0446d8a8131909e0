import type { Pixels } from '../../runtime/index.ts';

/**
 * Encodes a small picture as a baseline JPEG (ITU-T T.81, with the quantization and Huffman tables of its annex K, and
 * JFIF's colours). For previews of a few dozen pixels, setting up a pipeline of libvips and waking a thread takes
 * several times as long as the encoding. It blocks the event loop for about 0.1 ms per 1,000 pixels.
 *
 * @param quality - 1 to 100, as in libjpeg; from 90 on chroma has full resolution
 */
export function encodeSmallJpeg({ width, height, data }: Pixels, quality: number): Buffer {
  const halved = quality < 90;
  const [luma, chroma] = quantizersOf(quality);
  const bits = new BitWriter(width * height * 3 + 2048);
  bits.bytes(headerOf(width, height, halved, luma.zigzag, chroma.zigzag));
  // Whole units: 16×16 pixels with halved chroma, else 8×8. The last row and column are repeated.
  const unit = halved ? 16 : 8;
  const [wide, high] = [width, height].map((side) => Math.ceil(side / unit) * unit) as [number, number];
  const planes = [0, 1, 2].map(() => new Float32Array(wide * high)) as [Float32Array, Float32Array, Float32Array];
  for (let y = 0, to = 0; y < high; y++) {
    const row = Math.min(y, height - 1) * width;
    for (let x = 0; x < wide; x++, to++) {
      const at = (row + Math.min(x, width - 1)) * 3;
      const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
      // JFIF 1.02; centred on 0, as the transform wants it.
      planes[0][to] = 0.299 * r + 0.587 * g + 0.114 * b - 128;
      planes[1][to] = -0.168736 * r - 0.331264 * g + 0.5 * b;
      planes[2][to] = 0.5 * r - 0.418688 * g - 0.081312 * b;
    }
  }
  const [y, ...colours] = planes;
  const colourWide = halved ? wide / 2 : wide;
  const [cb, cr] = colours.map((plane) => (halved ? halve(plane, wide, high) : plane)) as [Float32Array, Float32Array];
  const last: [number, number, number] = [0, 0, 0];
  const block = new Float32Array(64);
  const put = (plane: Float32Array, stride: number, left: number, top: number, component: 0 | 1 | 2) => {
    for (let row = 0; row < 8; row++) {
      const from = (top + row) * stride + left;
      block.set(plane.subarray(from, from + 8), row * 8);
    }
    transform(block);
    const [quantizer, codes] = component === 0 ? [luma, lumaCodes] : [chroma, chromaCodes];
    last[component] = bits.block(block, quantizer.factors, codes, last[component]);
  };
  for (let top = 0; top < high; top += unit) {
    for (let left = 0; left < wide; left += unit) {
      put(y, wide, left, top, 0);
      if (halved) {
        put(y, wide, left + 8, top, 0);
        put(y, wide, left, top + 8, 0);
        put(y, wide, left + 8, top + 8, 0);
      }
      const [colourLeft, colourTop] = halved ? [left / 2, top / 2] : [left, top];
      put(cb, colourWide, colourLeft, colourTop, 1);
      put(cr, colourWide, colourLeft, colourTop, 2);
    }
  }
  return bits.end();
}

/** The mean of each 2×2. */
function halve(plane: Float32Array, wide: number, high: number): Float32Array {
  const half = new Float32Array((wide / 2) * (high / 2));
  for (let y = 0, to = 0; y < high; y += 2) {
    for (let x = 0, at = y * wide; x < wide; x += 2, at += 2, to++) {
      half[to] = (plane[at]! + plane[at + 1]! + plane[at + wide]! + plane[at + wide + 1]!) / 4;
    }
  }
  return half;
}

/**
 * The cosine transform of 8×8 values in place, by Arai, Agui and Nakajima (1988): five multiplications for a row or column.
 * Its outputs are scaled by 8 · a(u) · a(v), which the quantizers divide by.
 */
function transform(block: Float32Array): void {
  for (let row = 0; row < 64; row += 8) transformLine(block, row, 1);
  for (let column = 0; column < 8; column++) transformLine(block, column, 8);
}

function transformLine(d: Float32Array, at: number, step: number): void {
  const [i1, i2, i3, i4] = [at + step, at + 2 * step, at + 3 * step, at + 4 * step];
  const [i5, i6, i7] = [at + 5 * step, at + 6 * step, at + 7 * step];
  const s0 = d[at]! + d[i7]!;
  const s7 = d[at]! - d[i7]!;
  const s1 = d[i1]! + d[i6]!;
  const s6 = d[i1]! - d[i6]!;
  const s2 = d[i2]! + d[i5]!;
  const s5 = d[i2]! - d[i5]!;
  const s3 = d[i3]! + d[i4]!;
  const s4 = d[i3]! - d[i4]!;
  const even0 = s0 + s3;
  const even3 = s0 - s3;
  const even1 = s1 + s2;
  const z1 = (s1 - s2 + even3) * Math.SQRT1_2;
  d[at] = even0 + even1;
  d[i4] = even0 - even1;
  d[i2] = even3 + z1;
  d[i6] = even3 - z1;
  const odd0 = s4 + s5;
  const odd1 = s5 + s6;
  const odd2 = s6 + s7;
  // cos(3π/8), cos(π/8) − cos(3π/8) and cos(π/8) + cos(3π/8)
  const z5 = (odd0 - odd2) * 0.382683433;
  const z2 = 0.5411961 * odd0 + z5;
  const z4 = 1.306562965 * odd2 + z5;
  const z3 = odd1 * Math.SQRT1_2;
  const z11 = s7 + z3;
  const z13 = s7 - z3;
  d[i5] = z13 + z2;
  d[i3] = z13 - z2;
  d[i1] = z11 + z4;
  d[i7] = z11 - z4;
}

/** Zigzag order of a block. */
const zigzag = Uint8Array.of(
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21],
  ...[28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61],
  ...[54, 47, 55, 62, 63],
);

/** Table K.1. */
const lumaSteps = [
  ...[
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  ],
  ...[87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120],
  ...[101, 72, 92, 95, 98, 112, 100, 103, 99],
];
/** Table K.2. */
const chromaSteps = [
  ...[17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99],
  ...Array<number>(36).fill(99),
];

interface Quantizer {
  /** In zigzag order. */
  zigzag: Uint8Array;
  /** Factor of each transformed value. */
  factors: Float32Array;
}

const quantizers = new Map<number, readonly [Quantizer, Quantizer]>();

function quantizersOf(quality: number): readonly [Quantizer, Quantizer] {
  const rounded = Math.min(100, Math.max(1, Math.round(quality)));
  const known = quantizers.get(rounded);
  if (known) return known;
  // libjpeg's scale in percent.
  const scale = rounded < 50 ? Math.floor(5000 / rounded) : 200 - 2 * rounded;
  const made = [lumaSteps, chromaSteps].map((steps): Quantizer => {
    const scaled = steps.map((step) => Math.min(255, Math.max(1, Math.floor((step * scale + 50) / 100))));
    const factors = Float32Array.from(scaled, (step, at) => {
      return 1 / (step * 8 * lineScale(at >> 3) * lineScale(at & 7));
    });
    return { zigzag: zigzag.map((at) => scaled[at]!), factors };
  }) as [Quantizer, Quantizer];
  quantizers.set(rounded, made);
  return made;
}

/** Scale factors that the transform leaves out. */
function lineScale(frequency: number): number {
  return frequency === 0 ? 1 : Math.SQRT2 * Math.cos((frequency * Math.PI) / 16);
}

interface Table {
  /** Number of codes of 1, 2, … 16 bits. */
  lengths: readonly number[];
  values: readonly number[];
}

/** Tables K.3 to K.6: sizes of first values; and runs of zeros with the size of what follows. */
const tables = {
  lumaFirst: {
    lengths: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  },
  chromaFirst: {
    lengths: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  },
  lumaRest: {
    lengths: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    values: bytesOf(
      '01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a' +
        '434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8' +
        'a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa',
    ),
  },
  chromaRest: {
    lengths: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    values: bytesOf(
      '000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a3536373839' +
        '3a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6' +
        'a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa',
    ),
  },
} satisfies Record<string, Table>;

function bytesOf(hex: string): number[] {
  return [...Buffer.from(hex, 'hex')];
}

/** By value: the code, and how many bits it has. */
interface Codes {
  code: Uint16Array;
  length: Uint8Array;
}

/** Annex C: codes of one length follow each other, and twice the next begins those of the next length. */
function codesOf({ lengths, values }: Table): Codes {
  const codes: Codes = { code: new Uint16Array(256), length: new Uint8Array(256) };
  let [code, at] = [0, 0];
  for (const [index, count] of lengths.entries()) {
    for (let n = 0; n < count; n++) {
      const value = values[at++]!;
      codes.code[value] = code++;
      codes.length[value] = index + 1;
    }
    code *= 2;
  }
  return codes;
}

interface BlockCodes {
  first: Codes;
  rest: Codes;
}

const lumaCodes: BlockCodes = { first: codesOf(tables.lumaFirst), rest: codesOf(tables.lumaRest) };
const chromaCodes: BlockCodes = { first: codesOf(tables.chromaFirst), rest: codesOf(tables.chromaRest) };

/** All tables and the frame, up to the first bit of the scan. */
function headerOf(width: number, height: number, halved: boolean, luma: Uint8Array, chroma: Uint8Array): number[] {
  const segment = (marker: number, ...body: number[]) => [0xff, marker, ...word(body.length + 2), ...body];
  const table = (id: number, { lengths, values }: Table) => segment(0xc4, id, ...lengths, ...values);
  return [
    ...[0xff, 0xd8],
    // JFIF 1.1, square pixels, no thumbnail.
    ...segment(0xe0, ...Buffer.from('JFIF\0'), 1, 1, 0, 0, 1, 0, 1, 0, 0),
    ...segment(0xdb, 0, ...luma),
    ...segment(0xdb, 1, ...chroma),
    ...segment(0xc0, 8, ...word(height), ...word(width), 3, 1, halved ? 0x22 : 0x11, 0, 2, 0x11, 1, 3, 0x11, 1),
    ...table(0x00, tables.lumaFirst),
    ...table(0x10, tables.lumaRest),
    ...table(0x01, tables.chromaFirst),
    ...table(0x11, tables.chromaRest),
    ...segment(0xda, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0),
  ];
}

function word(value: number): [number, number] {
  return [value >> 8, value & 255];
}

/** Bits, the highest first; 255 is followed by a 0 within the scan. */
class BitWriter {
  private out: Buffer;
  private at = 0;
  private held = 0;
  private count = 0;

  constructor(size: number) {
    this.out = Buffer.allocUnsafe(size);
  }

  bytes(bytes: readonly number[]): void {
    this.out.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Writes a transformed block and returns its first value, the base of the next block's. */
  block(values: Float32Array, factors: Float32Array, { first, rest }: BlockCodes, before: number): number {
    // At most 27 bits for each value, each byte twice where it is 255.
    if (this.at + 512 > this.out.length) this.out = Buffer.concat([this.out, Buffer.allocUnsafe(this.out.length)]);
    const value = Math.round(values[0]! * factors[0]!);
    this.coded(first, 0, value - before);
    let zeros = 0;
    for (let index = 1; index < 64; index++) {
      const place = zigzag[index]!;
      const quantized = Math.round(values[place]! * factors[place]!);
      if (quantized === 0) {
        zeros++;
        continue;
      }
      for (; zeros > 15; zeros -= 16) this.bits(rest.code[0xf0]!, rest.length[0xf0]!);
      this.coded(rest, zeros << 4, quantized);
      zeros = 0;
    }
    // The end of the block.
    if (zeros > 0) this.bits(rest.code[0]!, rest.length[0]!);
    return value;
  }

  end(): Buffer {
    // The last byte is padded with ones.
    if (this.count > 0) this.bits(0x7f, 7);
    this.out[this.at++] = 0xff;
    this.out[this.at++] = 0xd9;
    return this.out.subarray(0, this.at);
  }

  /** The code of a value's size, and the value in so many bits; negative ones less 1. */
  private coded(codes: Codes, run: number, value: number): void {
    const size = 32 - Math.clz32(Math.abs(value));
    this.bits(codes.code[run | size]!, codes.length[run | size]!);
    if (size > 0) this.bits((value < 0 ? value - 1 : value) & ((1 << size) - 1), size);
  }

  private bits(value: number, length: number): void {
    this.held = (this.held << length) | value;
    this.count += length;
    while (this.count >= 8) {
      this.count -= 8;
      const byte = (this.held >> this.count) & 255;
      this.out[this.at++] = byte;
      if (byte === 255) this.out[this.at++] = 0;
    }
    this.held &= (1 << this.count) - 1;
  }
}
