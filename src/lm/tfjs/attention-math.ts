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
    add4(out, outAt + i, a, b, c, d);
  }
  for (; i < size; i++) {
    let a = 0;
    for (let j = 0, r = rowsAt + i, v = wAt; j < count; j++, r += stride, v += wStride) a += w[v]! * rows[r]!;
    out[outAt + i] = out[outAt + i]! + a;
  }
}

/**
 * `dots` for two queries, `qStride` apart, into two rows of `out`, `outStride` apart: each key is read once for both,
 * which halves the time.
 */
export function dotsPair(
  q: Float32Array,
  qAt: number,
  qStride: number,
  size: number,
  keys: Float32Array,
  keysAt: number,
  stride: number,
  count: number,
  scale: number,
  out: Float32Array,
  outAt: number,
  outStride: number,
): void {
  let j = 0;
  let k = keysAt;
  for (; j + 4 <= count; j += 4, k += 4 * stride) {
    let a0 = 0;
    let b0 = 0;
    let c0 = 0;
    let d0 = 0;
    let a1 = 0;
    let b1 = 0;
    let c1 = 0;
    let d1 = 0;
    for (let i = 0; i < size; i++) {
      const x = q[qAt + i]!;
      const y = q[qAt + qStride + i]!;
      const a = keys[k + i]!;
      const b = keys[k + stride + i]!;
      const c = keys[k + 2 * stride + i]!;
      const d = keys[k + 3 * stride + i]!;
      a0 += x * a;
      b0 += x * b;
      c0 += x * c;
      d0 += x * d;
      a1 += y * a;
      b1 += y * b;
      c1 += y * c;
      d1 += y * d;
    }
    const o = outAt + j;
    out[o] = a0 * scale;
    out[o + 1] = b0 * scale;
    out[o + 2] = c0 * scale;
    out[o + 3] = d0 * scale;
    out[o + outStride] = a1 * scale;
    out[o + outStride + 1] = b1 * scale;
    out[o + outStride + 2] = c1 * scale;
    out[o + outStride + 3] = d1 * scale;
  }
  dots(q, qAt, size, keys, k, stride, count - j, scale, out, outAt + j);
  dots(q, qAt + qStride, size, keys, k, stride, count - j, scale, out, outAt + outStride + j);
}

/** `mix` for two sums over the same rows: weights `wPair` apart, sums `outStride` apart. */
export function mixPair(
  w: Float32Array,
  wAt: number,
  wPair: number,
  wStride: number,
  count: number,
  rows: Float32Array,
  rowsAt: number,
  stride: number,
  size: number,
  out: Float32Array,
  outAt: number,
  outStride: number,
): void {
  let i = 0;
  for (; i + 4 <= size; i += 4) {
    let a0 = 0;
    let b0 = 0;
    let c0 = 0;
    let d0 = 0;
    let a1 = 0;
    let b1 = 0;
    let c1 = 0;
    let d1 = 0;
    for (let j = 0, r = rowsAt + i, v = wAt; j < count; j++, r += stride, v += wStride) {
      const x = w[v]!;
      const y = w[v + wPair]!;
      const a = rows[r]!;
      const b = rows[r + 1]!;
      const c = rows[r + 2]!;
      const d = rows[r + 3]!;
      a0 += x * a;
      b0 += x * b;
      c0 += x * c;
      d0 += x * d;
      a1 += y * a;
      b1 += y * b;
      c1 += y * c;
      d1 += y * d;
    }
    add4(out, outAt + i, a0, b0, c0, d0);
    add4(out, outAt + outStride + i, a1, b1, c1, d1);
  }
  const rest = size - i;
  if (rest === 0) return;
  mix(w, wAt, wStride, count, rows, rowsAt + i, stride, rest, out, outAt + i);
  mix(w, wAt + wPair, wStride, count, rows, rowsAt + i, stride, rest, out, outAt + outStride + i);
}

function add4(out: Float32Array, at: number, a: number, b: number, c: number, d: number): void {
  out[at] = out[at]! + a;
  out[at + 1] = out[at + 1]! + b;
  out[at + 2] = out[at + 2]! + c;
  out[at + 3] = out[at + 3]! + d;
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
