/**
 * A version's numbers: one float32 block in canonical order, on shared memory, and its fingerprint.
 */
import { createHash } from 'node:crypto';
import { type Architecture, parametersOf, sizeOf } from './architecture.js';
import type { Weights } from './engine.js';

/** Float32 zeros that all threads see. */
export const sharedFloats = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(length * 4));

export const emptyWeights = (architecture: Architecture): Weights => ({
  architecture,
  data: sharedFloats(sizeOf(architecture)),
});

/** sha-256, hex, over each parameter in canonical order: the line `name [d0,d1]\n`, then its little-endian float32 bytes. */
export function weightsHash(weights: Weights): string {
  const hash = createHash('sha256');
  for (const { name, shape, offset, size } of parametersOf(weights.architecture)) {
    hash.update(`${name} [${shape}]\n`);
    hash.update(new Uint8Array(weights.data.buffer, weights.data.byteOffset + offset * 4, size * 4));
  }
  return hash.digest('hex');
}
