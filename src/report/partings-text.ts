/**
 * Owns: how it is told what paired runs have in common and where they part, in a few lines for each.
 */
import type { Parting } from './comparison.js';
import type { Said } from './divergence.js';

const messages = (n: number): string => (n === 1 ? 'the first message is' : `the first ${n} messages are`);

function weights({ sameWeights, firstOther, sameOutcome }: Parting): string {
  const same = sameWeights.length === 0 ? 'no version' : sameWeights.join(', ');
  const other = firstOther === null ? '' : `; other weights from ${firstOther} on`;
  return `same weights: ${same}${other}${sameOutcome ? '; the same outcome' : ''}`;
}

const said = (arm: string, one: Said | null, absent: string): string =>
  `     ${arm}${one ? ` at seq ${one.seq}: ${one.text}` : ` ${absent}`}`;

/** The two messages, and the first facts of the loop, where these are others. */
function details({ armA, armB, a, b, otherFacts }: Parting): string[] {
  const lines = [said(armA, a, 'ends there'), said(armB, b, 'ends there')];
  if (!otherFacts.a && !otherFacts.b)
    return [...lines, '   the loop made the same in both, as far as both go'];
  if (otherFacts.a?.seq === a?.seq && otherFacts.b?.seq === b?.seq) return lines;
  return [
    ...lines,
    '   the first thing the loop made in one and not in the other',
    said(armA, otherFacts.a, 'made nothing else'),
    said(armB, otherFacts.b, 'made nothing else'),
  ];
}

function partingText(parting: Parting, isFull: boolean): string {
  const { armA, armB, seed, common, a, b } = parting;
  const head = ` ${armB} and ${armA}, seed ${seed}: ${weights(parting)}`;
  if (a === null && b === null) return `${head}\n   all ${common} messages are the same`;
  const first = `   ${messages(common)} the same${isFull ? ', then' : ''}`;
  return [head, first, ...(isFull ? details(parting) : [])].join('\n');
}

/** Of two arms the first seed is told in full; the data holds them all. */
export const partingsText = (partings: readonly Parting[]): string =>
  partings
    .map((one, i) => {
      const before = partings.slice(0, i);
      const isFull = !before.some(({ armA, armB }) => armA === one.armA && armB === one.armB);
      return partingText(one, isFull);
    })
    .join('\n');
