/**
 * From one row of probabilities to one token: nucleus (Holtzman et al. 2020) or greedy. Draws by the inverse of the
 * cumulative distribution in token-id order, adding in doubles, so the same numbers and the same uniform give the same
 * token. Nothing is sorted but the tokens on the nucleus's edge: a float's upper bits are its bucket.
 */
export interface Drawer {
  readonly size: number;
  /**
   * A token of the nucleus: of the `size` probabilities from `at`, which add up to 1, the fewest and heaviest that hold
   * `topP` of it (ties: lower id first). `uniform` is in [0, 1).
   */
  draw(probabilities: Float32Array, at: number, topP: number, uniform: number): number;
  /** The likeliest; the lowest id wins a tie. */
  best(probabilities: Float32Array, at: number): number;
}

/** 32 buckets a power of two; the sign is 0 and 1.0 is the last. */
const SHIFT = 18;
const BUCKETS = (0x3f800000 >>> SHIFT) + 1;

/** The lightest token that is kept, of equals the one with the highest id, and the mass of all that are. */
interface Edge {
  readonly weight: number;
  readonly id: number;
  readonly mass: number;
}

/** How many tokens were collected, from which bucket on, and what they weigh together. */
interface Collected {
  readonly count: number;
  readonly lowest: number;
  readonly mass: number;
}

export function createDrawer(size: number): Drawer {
  const masses = new Float64Array(BUCKETS);
  const ids = new Int32Array(size + 1); // tokens that may be in the nucleus
  const buckets = new Uint16Array(size);
  const wordsOf = createWords();
  /** The mean's bucket: most of the mass of a trained model stands above it, on a few tokens. */
  const fewBucket = bucketOf(1 / size);

  /**
   * Fills `ids`, `buckets`, `masses` with all that weigh as much as this bucket's lightest, in the order of their ids. No
   * branch but the loop's: who is in is as good as random.
   */
  const collect = (p: Float32Array, at: number, lowest: number): Collected => {
    const words = wordsOf(p);
    const below = (lowest << SHIFT) - 1; // positive floats are ordered as their bits are
    let count = 0;
    for (let i = 0; i < size; i++) {
      ids[count] = i;
      count += (below - words[at + i]!) >>> 31;
    }
    masses.fill(0, lowest);
    let mass = 0;
    for (let k = 0; k < count; k++) {
      const place = at + ids[k]!;
      const bucket = Math.min(words[place]! >>> SHIFT, BUCKETS - 1);
      const weight = p[place]!;
      buckets[k] = bucket;
      masses[bucket]! += weight;
      mass += weight;
    }
    return { count, lowest, mass };
  };
  /** What is collected holds `topP`, and where it is surely too little, everything that could count is. */
  const collectEnough = (p: Float32Array, at: number, topP: number): Collected => {
    const few = collect(p, at, fewBucket);
    // What is left out then weighs less than 1 − topP together.
    return few.mass >= topP ? few : collect(p, at, Math.min(fewBucket, bucketOf((1 - topP) / size)));
  };
  const edgeOf = (p: Float32Array, at: number, topP: number, { count, lowest }: Collected): Edge => {
    let bucket = BUCKETS - 1;
    let mass = 0;
    while (bucket > lowest && mass + masses[bucket]! < topP) mass += masses[bucket--]!;
    const onEdge: number[] = [];
    for (let k = 0; k < count; k++) if (buckets[k] === bucket) onEdge.push(ids[k]!);
    onEdge.sort((a, b) => p[at + b]! - p[at + a]! || a - b);
    let taken = 0;
    while (taken < onEdge.length && (taken === 0 || mass < topP)) mass += p[at + onEdge[taken++]!]!;
    const id = onEdge[taken - 1];
    return id === undefined ? { weight: 0, id: size, mass } : { weight: p[at + id]!, id, mass };
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
      if (topP >= 1) return firstAbove(p, at, size, uniform) ?? best(p, at);
      const collected = collectEnough(p, at, topP);
      const edge = edgeOf(p, at, topP, collected);
      const target = uniform * edge.mass;
      let sum = 0;
      for (let k = 0; k < collected.count; k++) {
        const id = ids[k]!;
        const weight = p[at + id]!;
        if (weight < edge.weight || (weight === edge.weight && id > edge.id)) continue;
        sum += weight;
        if (sum > target) return id;
      }
      return best(p, at);
    },
  };
}

/** Of a positive float of at most 1. */
function bucketOf(x: number): number {
  const [word] = new Int32Array(Float32Array.of(x).buffer);
  return Math.min(word! >>> SHIFT, BUCKETS - 1);
}

/** The words behind floats, without a new view for every row of a block. */
function createWords(): (p: Float32Array) => Int32Array {
  let seen: Float32Array | undefined;
  let words: Int32Array = new Int32Array(0);
  return (p) => {
    if (p !== seen) words = new Int32Array(p.buffer, p.byteOffset, p.length);
    seen = p;
    return words;
  };
}

function firstAbove(p: Float32Array, at: number, size: number, target: number): number | undefined {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    sum += p[at + i]!;
    if (sum > target) return i;
  }
  return undefined;
}
