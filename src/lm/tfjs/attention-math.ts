/**
 * The inner loops of attention over typed arrays. A matrix is (array, first element, stride between rows); sums run in a
 * fixed order that depends on nothing but the row's own length. Four sums at a time stay in registers: that is what makes
 * them quick in V8. Widths are even (RoPE wants that of a head).
 */

/** out[j] = scale · q · keys[j], for j < count. */
export function dots(
  q: Float32Array,
  qAt: number,
  size: number,
  keys: Float32Array,
  keysAt: number,
  stride: number,
  count: number,
  scale: number,
  out: Float32Array,
  outAt: number,
): void {
  let j = 0;
  let k = keysAt;
  for (; j + 4 <= count; j += 4, k += 4 * stride) {
    const k1 = k + stride;
    const k2 = k1 + stride;
    const k3 = k2 + stride;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < size; i++) {
      const x = q[qAt + i]!;
      a += x * keys[k + i]!;
      b += x * keys[k1 + i]!;
      c += x * keys[k2 + i]!;
      d += x * keys[k3 + i]!;
    }
    out[outAt + j] = a * scale;
    out[outAt + j + 1] = b * scale;
    out[outAt + j + 2] = c * scale;
    out[outAt + j + 3] = d * scale;
  }
  for (; j < count; j++, k += stride) {
    let a = 0;
    for (let i = 0; i < size; i++) a += q[qAt + i]! * keys[k + i]!;
    out[outAt + j] = a * scale;
  }
}

/** out += Σ_j w[j] · rows[j], weights `wStride` apart. */
export function mix(
  w: Float32Array,
  wAt: number,
  wStride: number,
  count: number,
  rows: Float32Array,
  rowsAt: number,
  stride: number,
  size: number,
  out: Float32Array,
  outAt: number,
): void {
  let i = 0;
  for (; i + 4 <= size; i += 4) {
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let j = 0, r = rowsAt + i, v = wAt; j < count; j++, r += stride, v += wStride) {
      const x = w[v]!;
      a += x * rows[r]!;
      b += x * rows[r + 1]!;
      c += x * rows[r + 2]!;
      d += x * rows[r + 3]!;
    }
    const o = outAt + i;
    out[o] = out[o]! + a;
    out[o + 1] = out[o + 1]! + b;
    out[o + 2] = out[o + 2]! + c;
    out[o + 3] = out[o + 3]! + d;
  }
  for (; i < size; i++) {
    let a = 0;
    for (let j = 0, r = rowsAt + i, v = wAt; j < count; j++, r += stride, v += wStride) a += w[v]! * rows[r]!;
    out[outAt + i] = out[outAt + i]! + a;
  }
}

/** Scores become probabilities, in place. */
export function softmax(x: Float32Array, at: number, count: number): void {
  const end = at + count;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = at; i < end; i++) if (x[i]! > max) max = x[i]!;
  let sum = 0;
  for (let i = at; i < end; i++) {
    const e = Math.exp(x[i]! - max);
    x[i] = e;
    sum += e;
  }
  const inverse = 1 / sum;
  for (let i = at; i < end; i++) x[i] = x[i]! * inverse;
}

/** From gradients of probabilities, in `d`, to those of the unscaled scores, in place: scale · p·(d − Σ p·d). */
export function softmaxBackward(
  p: Float32Array,
  pAt: number,
  d: Float32Array,
  dAt: number,
  count: number,
  scale: number,
): void {
  let along = 0;
  for (let j = 0; j < count; j++) along += p[pAt + j]! * d[dAt + j]!;
  for (let j = 0; j < count; j++) d[dAt + j] = p[pAt + j]! * (d[dAt + j]! - along) * scale;
}
