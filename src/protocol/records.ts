/**
 * Plain records that worlds, stages and messages share. JSON-safe: no Date, no Map, no class.
 */

/** One instruction with the answer a person gave: a row of IFT. */
export interface Demonstration {
  readonly id: string;
  readonly prompt: string;
  readonly response: string;
}

/** One judged answer with the judgement a person would write: a row of EFT. */
export interface EvaluationExample {
  readonly id: string;
  readonly prompt: string;
  readonly response: string;
  /** The written reasons, without the score line. */
  readonly justification: string;
  /** 0–5. */
  readonly score: number;
}

/** One prompt with several responses that people (or the world's truth) put in order. */
export interface RankedGroup {
  readonly id: string;
  readonly prompt: string;
  readonly responses: readonly RankedResponse[];
}

export interface RankedResponse {
  readonly text: string;
  /** Higher is better; on the 0–5 scale where the world knows a score, else minus the human rank. */
  readonly value: number;
}

export interface HeldOutPrompt {
  readonly id: string;
  readonly prompt: string;
}

/** All that a world hands over before a run starts. Every list may be empty, none is mutated. */
export interface SeedData {
  readonly ift: readonly Demonstration[];
  /** Ready-made judgements (microworld). */
  readonly eft: readonly EvaluationExample[];
  /** Ranked responses from which the SFT baseline makes EFT (open-assistant); train split. */
  readonly ranked: readonly RankedGroup[];
  readonly heldOut: readonly HeldOutPrompt[];
  /** The frozen probe bank on which every version's judging is measured; held-out split. */
  readonly probes: readonly RankedGroup[];
  /** What the reader of a report should know: rows read, rows left out and why. */
  readonly notes: readonly string[];
}

/** The truth of one answer: the additive score and the five criteria behind it. */
export interface TrueScore {
  readonly score: number;
  readonly criteria: Readonly<Record<string, boolean>>;
}

/** How a model is spoken to: templates with `{{name}}` slots. Plain data, kept in the run's config. */
export interface PromptFormat {
  /** The texts below are a user's message, put through each version's own chat template; absent = they stand as they are. */
  readonly through?: 'chat';
  /** Slots: `prompt`. The answer follows directly. */
  readonly chat: string;
  /** Few-shot prompt invention: `header` + one `item` a shot (slot `prompt`) + `tail`; a new prompt follows. */
  readonly invent: { readonly header: string; readonly item: string; readonly tail: string };
  /** Token texts that end a response, a judgement, an invented prompt. The model's own EOS is always one. */
  readonly stop: {
    readonly response: readonly string[];
    readonly judgement: readonly string[];
    readonly prompt: readonly string[];
  };
}

/** A judge prompt as data, with how its verdict is read and how a verdict of a known score is written. */
export interface JudgeTemplate {
  readonly name: string;
  /** Slots: `prompt`, `response`. The judgement follows directly. */
  readonly prompt: string;
  readonly verdict: {
    /** Text that stands before the score, matched without case; the last match in the completion counts. */
    readonly marker: string;
    /** Score words → points; absent = a decimal number. */
    readonly words?: Readonly<Record<string, number>>;
    readonly min: number;
    readonly max: number;
  };
  /** EFT target. Slots: `justification`, `score` (written as the template writes scores). */
  readonly target: string;
}

/** A meta-judge's prompt: which of two judgements of one answer is better. Slots: `prompt`, `response`, `first`, `second`. */
export interface MetaJudgeTemplate {
  readonly prompt: string;
  /** As a judge's; the words for the first and the second judgement count 1 and 2. */
  readonly verdict: JudgeTemplate['verdict'] & { readonly words: Readonly<Record<string, number>> };
}
