/**
 * How sequences to score are cut into tasks: sorted by length (ties by place), then cut where a chunk is full. Depends on the
 * sequences alone, never on the number of workers.
 */
const MAX_SEQUENCES = 32;
/** Padded tokens of a chunk; one longer sequence makes a chunk of its own. */
const MAX_TOKENS = 8192;

/** Chunks of places in `sequences`; together each place once. */
export function scoreChunksOf(
  sequences: readonly { readonly length: number }[],
): readonly (readonly number[])[] {
  const places = sequences.map((_, place) => place);
  places.sort((a, b) => sequences[b]!.length - sequences[a]!.length || a - b);
  const chunks: number[][] = [];
  let width = 0;
  for (const place of places) {
    const chunk = chunks.at(-1);
    if (chunk && chunk.length < MAX_SEQUENCES && (chunk.length + 1) * width <= MAX_TOKENS) chunk.push(place);
    else {
      chunks.push([place]);
      width = sequences[place]!.length;
    }
  }
  return chunks;
}
