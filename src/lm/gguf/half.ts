/** Float32 → IEEE half, rounded to nearest, ties to even. */
const numbers = new Float32Array(1);
const bits = new Uint32Array(numbers.buffer);

/** The 16 bits. Infinity beyond 65,504 (from 65,520 on). */
export function halfBits(value: number): number {
  numbers[0] = value;
  const all = bits[0]!;
  const sign = (all >>> 16) & 0x8000;
  const magnitude = all & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // Below the smallest normal half: a multiple of 2^-24.
  if (magnitude < 0x38800000) return sign | roundedToEven(Math.abs(numbers[0]!) * 2 ** 24);
  // The exponent's bias goes from 127 to 15; a carry out of the fraction is the next exponent.
  const half = (magnitude - 0x38000000) / 2 ** 13;
  return sign | Math.min(roundedToEven(half), 0x7c00);
}

/** `value` ≥ 0 and exact. */
function roundedToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Null where a number is too large for a half. */
export function halves(values: Float32Array): Uint16Array | null {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const half = halfBits(values[i]!);
    if ((half & 0x7fff) === 0x7c00) return null;
    out[i] = half;
  }
  return out;
}
