/**
 * Rotary positions, the half-split kind of Llama, with `linear` and `llama3` scaling. Angles are rounded to float32
 * where transformers rounds them. Owns the growing table of cosines and sines, in host memory.
 */
import type { Architecture, RopeScaling } from './architecture.js';

/** Inverse frequencies, one a pair of dimensions. */
export function inverseFrequencies(architecture: Architecture): Float32Array {
  const half = architecture.headDim / 2;
  const plain = Float32Array.from(
    { length: half },
    (_, i) => 1 / Math.fround(architecture.ropeTheta ** ((2 * i) / architecture.headDim)),
  );
  const scaling = architecture.ropeScaling;
  if (scaling === null) return plain;
  return plain.map((frequency) =>
    scaling.kind === 'linear' ? frequency / scaling.factor : llama3(frequency, scaling),
  );
}

/** Long waves are stretched by the factor, short ones kept, those between blended. */
function llama3(frequency: number, scaling: RopeScaling): number {
  const { factor, lowFreqFactor = 1, highFreqFactor = 4, originalMaxPositions = 8192 } = scaling;
  const wave = (2 * Math.PI) / frequency;
  if (wave < originalMaxPositions / highFreqFactor) return frequency;
  if (wave > originalMaxPositions / lowFreqFactor) return frequency / factor;
  const blend = (originalMaxPositions / wave - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - blend) * frequency) / factor + blend * frequency;
}

export interface RopeTable {
  readonly half: number;
  /** Cosines and sines of at least `positions` positions, [positions, half] each. */
  upTo(positions: number): { readonly cos: Float32Array; readonly sin: Float32Array };
}

export function ropeTable(architecture: Architecture): RopeTable {
  const frequencies = inverseFrequencies(architecture);
  const half = frequencies.length;
  let table = { cos: new Float32Array(0), sin: new Float32Array(0) };
  let known = 0;
  return {
    half,
    upTo(positions) {
      if (positions > known) {
        known = Math.max(positions, Math.min(2 * known, architecture.maxPositions), 64);
        const angle = (i: number) => Math.fround(Math.floor(i / half) * frequencies[i % half]!);
        const fill = (f: (x: number) => number) =>
          Float32Array.from({ length: known * half }, (_, i) => f(angle(i)));
        table = { cos: fill(Math.cos), sin: fill(Math.sin) };
      }
      return table;
    },
  };
}

/** Turns `heads` heads of one token by its position, in place; `direction` −1 turns back (the backward pass). */
export function rotate(
  values: Float32Array,
  at: number,
  heads: number,
  position: number,
  rope: RopeTable,
  direction: 1 | -1,
): void {
  const half = rope.half;
  const { cos, sin } = rope.upTo(position + 1);
  const row = position * half;
  for (let h = 0, low = at; h < heads; h++, low += 2 * half) {
    for (let i = 0; i < half; i++) {
      const c = cos[row + i]!;
      const s = sin[row + i]! * direction;
      const a = values[low + i]!;
      const b = values[low + half + i]!;
      values[low + i] = a * c - b * s;
      values[low + half + i] = b * c + a * s;
    }
  }
}
