/**
 * Rotary positions, the half-split kind of Llama, with all scalings of `RopeScaling`. Angles are rounded to float32
 * where transformers rounds them. Owns the growing table of cosines and sines, in host memory.
 *
 * `dynamic` (NTK) stretches only sequences beyond `max_position_embeddings`, and no engine takes those: up to there its
 * frequencies are the plain ones. Where positions are learned, nothing is turned: every angle is 0.
 */
import { type Architecture, type RopeScaling, TRAITS } from './architecture.js';

/** Inverse frequencies, one a pair of dimensions. */
export function inverseFrequencies(architecture: Architecture): Float32Array {
  const half = architecture.headDim / 2;
  if (TRAITS[architecture.family].positions === 'learned') return new Float32Array(half);
  const plain = Float32Array.from(
    { length: half },
    (_, i) => 1 / Math.fround(architecture.ropeTheta ** ((2 * i) / architecture.headDim)),
  );
  const scaling = architecture.ropeScaling;
  if (scaling === null) return plain;
  switch (scaling.kind) {
    case 'dynamic':
      return plain;
    case 'linear':
      return plain.map((frequency) => frequency / scaling.factor);
    case 'llama3':
      return plain.map((frequency) => llama3(frequency, scaling));
    case 'yarn':
      return yarn(plain, architecture, scaling);
    default:
      return scaling.kind satisfies never;
  }
}

/** Long waves are stretched by the factor, short ones kept, with a ramp over the dimensions between (Peng et al. 2023). */
function yarn(plain: Float32Array, { headDim, ropeTheta }: Architecture, scaling: RopeScaling): Float32Array {
  const { factor, betaFast = 32, betaSlow = 1, originalMaxPositions = 2048, truncate = true } = scaling;
  /** The dimension whose wave makes so many turns within the original length. */
  const dimensionOf = (turns: number): number =>
    (headDim * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(ropeTheta));
  const [from, to] = [dimensionOf(betaFast), dimensionOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(from) : from, 0);
  const high = Math.min(truncate ? Math.ceil(to) : to, headDim - 1);
  const width = low === high ? 0.001 : high - low;
  return plain.map((frequency, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / width));
    return (frequency / factor) * stretched + frequency * (1 - stretched);
  });
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
  const factor = architecture.ropeScaling?.attentionFactor ?? 1;
  let table = { cos: new Float32Array(0), sin: new Float32Array(0) };
  let known = 0;
  return {
    half,
    upTo(positions) {
      if (positions > known) {
        known = Math.max(positions, Math.min(2 * known, architecture.maxPositions), 64);
        const angle = (i: number) => Math.fround(Math.floor(i / half) * frequencies[i % half]!);
        const fill = (f: (x: number) => number) =>
          Float32Array.from({ length: known * half }, (_, i) => factor * f(angle(i)));
        table = { cos: fill(Math.cos), sin: fill(Math.sin) };
      }
      return table;
    },
  };
}

/** Turns `heads` heads of one token by its position, in place; `direction` −1 turns back (the backward pass: factors stay). */
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
