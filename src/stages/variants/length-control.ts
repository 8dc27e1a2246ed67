/**
 * Length control: Wu et al. 2024, "Meta-Rewarding Language Models", §2.2. With ρ in [0, 0.5): chosen is the shortest of the
 * answers whose score lies within [(1 − ρ)·S_max + ρ·S_min, S_max], rejected the longest of those within
 * [S_min, (1 − ρ)·S_min + ρ·S_max]. ρ = 0 is the plain rule: best against worst.
 *
 * Departures:
 * - Length is in characters. Among equals in length the better score is chosen (the worse rejected), then the lower index.
 * - ρ is one number for the whole run (config.pair.lengthControl); the paper changes it by iteration (0, .32, .32, .4).
 */
interface Scored {
  readonly text: string;
  readonly score: number;
}

/** `slack`: scores that differ by no more are equal. Needs two answers of different scores. */
export function lengthControlled<C extends Scored>(
  answers: readonly C[],
  rho: number,
  slack: number,
): { readonly chosen: C; readonly rejected: C } {
  const scores = answers.map(({ score }) => score);
  const [top, bottom] = [Math.max(...scores), Math.min(...scores)];
  const width = rho * (top - bottom);
  const good = answers.filter(({ score }) => score >= top - width - slack);
  const bad = answers.filter(({ score }) => score <= bottom + width + slack);
  return {
    chosen: best(good, (a, b) => a.text.length - b.text.length || b.score - a.score),
    rejected: best(bad, (a, b) => b.text.length - a.text.length || a.score - b.score),
  };
}

/** The first of those that come first. */
const best = <C>(answers: readonly C[], order: (a: C, b: C) => number): C =>
  answers.reduce((first, next) => (order(next, first) < 0 ? next : first));
