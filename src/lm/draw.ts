/**
 * From one row of probabilities to one token: nucleus (Holtzman et al. 2020) or greedy. Draws by the inverse of the
 * cumulative distribution in token-id order, adding in doubles, so the same numbers and the same uniform give the same
 * token. Nothing is sorted but the tokens on the nucleus's edge: a float's upper bits are its bucket.
 */
export interface Drawer {
  readonly size: number;
  /** A token of the nucleus that holds `topP` of the mass of the `size` probabilities from `at`. */
  draw(probabilities: Float32Array, at: number, topP: number, uniform: number): number;
  /** The likeliest; the lowest id wins a tie. */
  best(probabilities: Float32Array, at: number): number;
}

/** Eight buckets a power of two; the sign is 0 and 1.0 is the last. */
const SHIFT = 20;
const BUCKETS = (0x3f800000 >>> SHIFT) + 1;

export function createDrawer(size: number): Drawer {
  const masses = new Float64Array(BUCKETS);
  const ids = new Int32Array(size);
  const buckets = new Uint16Array(size);
  let seen: Float32Array | undefined;
  let bits: Uint32Array = new Uint32Array(0);
  const bitsOf = (p: Float32Array): Uint32Array => {
    if (p !== seen) bits = new Uint32Array(p.buffer, p.byteOffset, p.length);
    seen = p;
    return bits;
  };
  const best = (p: Float32Array, at: number): number => {
    let top = 0;
    for (let i = 1; i < size; i++) if (p[at + i]! > p[at + top]!) top = i;
    return top;
  };

  return {
    size,
    best,
    draw(p, at, topP, uniform) {
      let mass = 0;
      for (let i = 0; i < size; i++) mass += p[at + i]!;
      if (topP >= 1) return pick(p, at, size, uniform * mass, () => best(p, at));
      // All tokens lighter than this weigh less than (1 − topP) of the mass together: none is in the nucleus.
      const lightest = ((1 - topP) * mass) / size;
      const words = bitsOf(p);
      masses.fill(0);
      let count = 0;
      for (let i = 0; i < size; i++) {
        const weight = p[at + i]!;
        if (weight < lightest) continue;
        const bucket = Math.min(words[at + i]! >>> SHIFT, BUCKETS - 1);
        ids[count] = i;
        buckets[count++] = bucket;
        masses[bucket]! += weight;
      }
      let edge = BUCKETS - 1;
      let above = 0;
      while (edge > 0 && above + masses[edge]! < topP * mass) above += masses[edge--]!;
      const onEdge: number[] = [];
      for (let k = 0; k < count; k++) if (buckets[k] === edge) onEdge.push(ids[k]!);
      onEdge.sort((a, b) => p[at + b]! - p[at + a]! || a - b);
      let last = -1; // the lightest token kept, and of equals the highest id
      for (const id of onEdge) {
        if (last >= 0 && above >= topP * mass) break;
        above += p[at + id]!;
        last = id;
      }
      const floor = last < 0 ? 0 : p[at + last]!;
      const isKept = (k: number): boolean => {
        if (buckets[k] !== edge) return buckets[k]! > edge;
        const weight = p[at + ids[k]!]!;
        return weight > floor || (weight === floor && ids[k]! <= last);
      };
      let kept = 0;
      for (let k = 0; k < count; k++) if (isKept(k)) kept += p[at + ids[k]!]!;
      const target = uniform * kept;
      let sum = 0;
      for (let k = 0; k < count; k++) {
        if (!isKept(k)) continue;
        sum += p[at + ids[k]!]!;
        if (sum > target) return ids[k]!;
      }
      return best(p, at);
    },
  };
}

function pick(p: Float32Array, at: number, size: number, target: number, otherwise: () => number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    sum += p[at + i]!;
    if (sum > target) return i;
  }
  return otherwise();
}
