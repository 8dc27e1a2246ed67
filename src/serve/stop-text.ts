/**
 * Stop texts, cut exactly: an answer ends before the stop text that is complete first, wherever the borders of tokens lie.
 * What could still become a stop text, or is half a character, waits.
 */

export interface StopHit {
  /** Where the stop text begins: the answer ends here. */
  readonly at: number;
  /** Where it is complete. */
  readonly end: number;
}

/** The stop text that is complete first; of those that end together, the longest. */
export function firstStop(text: string, stops: readonly string[]): StopHit | null {
  let best: StopHit | null = null;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at < 0) continue;
    const end = at + stop.length;
    if (best === null || end < best.end || (end === best.end && at < best.at)) best = { at, end };
  }
  return best;
}

/** How much of a text without a stop can be shown: what follows can't change it any more. */
export function settledLength(text: string, stops: readonly string[]): number {
  let settled = text.length;
  while (settled > 0 && text[settled - 1] === '\ufffd') settled--;
  for (const stop of stops)
    for (let length = Math.min(stop.length - 1, text.length); length > text.length - settled; length--)
      if (stop.startsWith(text.slice(text.length - length))) {
        settled = text.length - length;
        break;
      }
  return settled;
}
