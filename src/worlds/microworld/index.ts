/**
 * The microworld: instructions over a small vocabulary with a known additive 0–5 score, and the data a run starts from.
 *
 * It plays the paper's premise (section 2.1) in miniature: demonstrations are imperfect, written judgements are right.
 * Held-out prompts and probes come from a key of their own, the same for every run seed, and no row of IFT or EFT has a
 * held-out prompt.
 */
import type { World } from '../../protocol/ports.js';
import type {
  Demonstration,
  EvaluationExample,
  HeldOutPrompt,
  RankedGroup,
  SeedData,
} from '../../protocol/records.js';
import { keyOf, type Rng, rngOf } from '../../rng.js';
import { type Manner, respond } from './demonstrators.js';
import type { Task } from './families/family.js';
import { ADDITIVE, FORMAT, META, MULTIPLE_CHOICE } from './format.js';
import { justificationOf, rightReasons } from './judgements.js';
import { trueScore } from './score.js';
import { drawTask, parseTask } from './tasks.js';

export interface MicroworldOptions {
  /** The run's seed: draws IFT and EFT. */
  readonly seed: number;
  readonly ift?: number;
  readonly eft?: number;
  readonly heldOut?: number;
  /** Groups of four responses. */
  readonly probes?: number;
  /** Of the people who wrote the demonstrations. */
  readonly demonstrators?: Manner;
}

export const DEMONSTRATORS: Manner = { quality: 0.45, pleasing: 0.15 };
/** Responses that get judged: from poor to perfect, some of them pleasing. */
const JUDGED_QUALITY = [0.2, 1] as const;
const JUDGED_PLEASING = 0.3;
const RESPONSES_A_PROBE = 4;
/** Key of the frozen bank; never a run's seed. */
const BANK = 20_240_118;

const name = (kind: string, i: number) => `${kind}-${String(i).padStart(4, '0')}`;
const judged = (rng: Rng, task: Task): string => {
  const [low, high] = JUDGED_QUALITY;
  return respond(rng, task, { quality: low + (high - low) * rng.uniform(), pleasing: JUDGED_PLEASING });
};

/** Half of all prompts may be held out, so that no small family is held out whole. */
const mayBeHeldOut = (prompt: string) => rngOf(keyOf(BANK, 'microworld/split', prompt)).chance(0.5);

/** Different prompts of the frozen bank. */
function heldOutTasks(count: number): Task[] {
  const tasks = new Map<string, Task>();
  for (let draw = 0; tasks.size < count; draw++) {
    const task = drawTask(rngOf(keyOf(BANK, 'microworld/held-out', draw)));
    if (mayBeHeldOut(task.prompt)) tasks.set(task.prompt, task);
  }
  return [...tasks.values()];
}

function probeGroup(task: Task, i: number): RankedGroup {
  const rng = rngOf(keyOf(BANK, 'microworld/probe', i));
  const responses = Array.from({ length: RESPONSES_A_PROBE }, () => {
    const text = judged(rng, task);
    return { text, value: trueScore(task, text).score };
  });
  return { id: name('probe', i), prompt: task.prompt, responses };
}

/** `count` rows, each from a key of its own; a draw with a held-out prompt is drawn again. */
function rows<T>(
  count: number,
  seed: number,
  kind: string,
  taken: ReadonlySet<string>,
  make: (rng: Rng, task: Task, id: string) => T,
): T[] {
  return Array.from({ length: count }, (_, i) => {
    for (let attempt = 0; ; attempt++) {
      const rng = rngOf(keyOf(seed, `microworld/${kind}`, i, attempt));
      const task = drawTask(rng);
      if (!taken.has(task.prompt)) return make(rng, task, name(kind, i));
    }
  });
}

function meanTruth(rows: readonly Demonstration[]): number {
  const scores = rows.map(({ prompt, response }) => trueScore(parseTask(prompt)!, response).score);
  return scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
}

export function seedData(options: MicroworldOptions): SeedData {
  const manner = options.demonstrators ?? DEMONSTRATORS;
  const tasks = heldOutTasks(Math.max(options.heldOut ?? 300, options.probes ?? 150));
  const taken = new Set(tasks.map((task) => task.prompt));
  const ift = rows(options.ift ?? 800, options.seed, 'ift', taken, (rng, task, id): Demonstration => {
    return { id, prompt: task.prompt, response: respond(rng, task, manner) };
  });
  const eft = rows(options.eft ?? 600, options.seed, 'eft', taken, (rng, task, id): EvaluationExample => {
    const response = judged(rng, task);
    const { score } = trueScore(task, response);
    return {
      id,
      prompt: task.prompt,
      response,
      justification: justificationOf(rightReasons(task, response)),
      score,
    };
  });
  const heldOut = tasks
    .slice(0, options.heldOut ?? 300)
    .map((task, i): HeldOutPrompt => ({ id: name('held-out', i), prompt: task.prompt }));
  const probes = tasks.slice(0, options.probes ?? 150).map(probeGroup);
  const notes = [
    `microworld, seed ${options.seed}: ${ift.length} demonstrations of mean true score ${meanTruth(ift).toFixed(2)}, ${eft.length} right judgements`,
    `${heldOut.length} held-out prompts and ${probes.length} probe groups from a bank that no seed changes`,
  ];
  return { ift, eft, ranked: [], heldOut, probes, notes };
}

export const createMicroworld = (options: MicroworldOptions): World => ({
  name: 'microworld',
  format: FORMAT,
  judgeTemplate: ADDITIVE,
  judgeTemplates: { [ADDITIVE.name]: ADDITIVE, [MULTIPLE_CHOICE.name]: MULTIPLE_CHOICE },
  metaJudgeTemplate: META,
  seed: () => Promise.resolve(seedData(options)),
  truth: (prompt, response) => {
    const task = parseTask(prompt);
    return task && trueScore(task, response);
  },
});
