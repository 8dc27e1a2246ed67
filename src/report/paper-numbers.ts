/**
 * Owns: the paper's own numbers, with where they stand (Yuan et al., "Self-Rewarding Language Models", arXiv 2401.10020v3). Llama 2
 * 70B, Open Assistant data, people's and GPT-4's judgement: another model and another world than ours. To compare shapes with.
 */
export const PAPER = {
  name: 'Yuan et al., Self-Rewarding Language Models, arXiv 2401.10020v3',
  link: 'https://arxiv.org/abs/2401.10020v3',
} as const;

/** Figure 3: win / tie / loss in percent by GPT-4, 256 prompts, both orders. By `version vs opponent`. */
export const PAPER_HEAD_TO_HEAD: Readonly<Record<string, readonly [number, number, number]>> = {
  'M1 vs SFT': [30.5, 38.7, 30.9],
  'M2 vs SFT': [49.2, 36.3, 14.5],
  'M3 vs SFT': [62.5, 27.7, 9.8],
  'M2 vs M1': [55.5, 32.8, 11.7],
  'M3 vs M2': [47.7, 39.8, 12.5],
  'M3 vs M1': [68.8, 22.7, 8.6],
};

export interface PaperJudging {
  /** Shares in percent. */
  readonly pairwise: number;
  readonly fiveBest: number;
  readonly exactMatch: number;
  readonly spearman: number;
  readonly kendall: number;
}

/** Table 4 (table 2 in v1): agreement of the model as a judge with people's rankings. */
export const PAPER_JUDGING: Readonly<Record<string, PaperJudging>> = {
  SFT: { pairwise: 65.1, fiveBest: 39.6, exactMatch: 10.1, spearman: 0.253, kendall: 0.233 },
  M1: { pairwise: 78.7, fiveBest: 41.5, exactMatch: 13.1, spearman: 0.279, kendall: 0.253 },
  M2: { pairwise: 80.4, fiveBest: 44.3, exactMatch: 14.3, spearman: 0.331, kendall: 0.315 },
  M3: { pairwise: 81.7, fiveBest: 43.2, exactMatch: 14.3, spearman: 0.349, kendall: 0.324 },
};

/** Table 1: AlpacaEval 2.0 win rate in percent, and the mean length of an answer in characters. */
export const PAPER_ALPACA: Readonly<Record<string, { readonly winRate: number; readonly length: number }>> = {
  M1: { winRate: 9.94, length: 1092 },
  M2: { winRate: 15.38, length: 1552 },
  M3: { winRate: 20.44, length: 2552 },
};

/** §3.1: rows that a version was trained on, by what they are. */
export const PAPER_ROWS = {
  ift: 3200,
  eft: 1630,
  /** Preference pairs of iteration 1 and 2. */
  pairs: { 1: 3964, 2: 6942 } as Readonly<Record<number, number>>,
} as const;
