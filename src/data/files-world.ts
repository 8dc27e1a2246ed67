/**
 * Owns: a world made of data files of any known layout: instructions are demonstrations, preferences and rankings are ranked
 * groups (from which the SFT baseline makes EFT, and by which judging is measured), questions are evaluation prompts. It has
 * no truth: people's order is the measure.
 * Invariants: a held-out prompt stands nowhere among the seed, whatever its case and spacing; which side a prompt is on hangs
 * on seed and prompt alone, not on the order of rows or files. Paper §3.1.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { World } from '../protocol/ports.js';
import type { PromptFormat, SeedData } from '../protocol/records.js';
import { additive, plainFormat } from '../protocol/templates.js';
import { keyOf, uniformAt } from '../rng.js';
import {
  type Asked,
  type Counts,
  count,
  type Demonstrated,
  type Given,
  type Ranked,
  readGiven,
} from './prompts-used.js';

export interface FilesOptions {
  /** Seed data. Questions in them are held out too. */
  readonly files: readonly string[];
  /** Held out, and never learnt from. Empty: a share of `files` is. */
  readonly evalFiles: readonly string[];
  /** Decides split and draws. */
  readonly seed: number;
  /** Share of the prompts held out where `evalFiles` hold nothing of the kind, 0–1. */
  readonly heldOutShare: number;
  /** Longer texts are left out (characters); 0 = none. */
  readonly maxChars: number;
  /** Rows of each kind, at most: the rest is drawn away. */
  readonly most: Readonly<Record<'ift' | 'ranked' | 'heldOut' | 'probes', number>>;
  /** The file that a name stands for. */
  readonly locate: (name: string) => string;
  /** How the model is spoken to; absent = plain text. */
  readonly format?: PromptFormat;
}

export const createFilesWorld = (options: FilesOptions): World => ({
  name: 'files',
  format: options.format ?? plainFormat,
  judgeTemplate: additive,
  judgeTemplates: {},
  seed: () => readSeed(options),
});

const normal = (prompt: string): string => prompt.toLowerCase().replace(/\s+/g, ' ').trim();

async function readAll(names: readonly string[], { locate, maxChars }: FilesOptions): Promise<Given[]> {
  const given: Given[] = [];
  for (const name of names) given.push({ ...(await readGiven(locate(name), maxChars)), file: name });
  return given;
}

interface Split {
  readonly ift: readonly Demonstrated[];
  readonly ranked: readonly Ranked[];
  readonly heldOut: readonly Asked[];
  readonly probes: readonly Ranked[];
}

async function readSeed(options: FilesOptions): Promise<SeedData> {
  const seedFiles = await readAll(options.files, options);
  const evalFiles = await readAll(options.evalFiles, options);
  const out: Counts = {};
  const split = splitOf(seedFiles, evalFiles, options, out);
  if (split.ift.length === 0) throw nothingToLearn(options, [...seedFiles, ...evalFiles]);
  const rows = {
    ift: drawn(split.ift, 'ift', options, out),
    ranked: drawn(split.ranked, 'ranked', options, out),
    heldOut: drawn(split.heldOut, 'heldOut', options, out),
    probes: drawn(split.probes, 'probes', options, out),
  };
  return { ...rows, eft: [], notes: notesOn([...seedFiles, ...evalFiles], rows, out) };
}

const all = <T>(files: readonly Given[], of: (file: Given) => readonly T[]): readonly T[] =>
  files.flatMap(of);

/** Every prompt of a file, to ask it. */
const prompts = (file: Given): readonly Asked[] =>
  [...file.questions, ...file.demonstrations, ...file.ranked].map(({ id, prompt }) => ({ id, prompt }));

function splitOf(
  seedFiles: readonly Given[],
  evalFiles: readonly Given[],
  options: FilesOptions,
  out: Counts,
): Split {
  const { seed, heldOutShare } = options;
  const isDrawn = (prompt: string) => uniformAt(keyOf(seed, 'files.split', normal(prompt)), 0) < heldOutShare;
  const demonstrations = demonstrationsOf(seedFiles, out);
  const groups = all(seedFiles, ({ ranked }) => ranked);
  const named = [...all(evalFiles, prompts), ...all(seedFiles, ({ questions }) => questions)];
  const ownProbes = all(evalFiles, ({ ranked }) => ranked);
  // Without questions of their own, prompts are held out of the seed; without ranked groups of their own, groups are.
  const prompted = named.length > 0 ? [] : all(seedFiles, prompts).filter(({ prompt }) => isDrawn(prompt));
  const probes = ownProbes.length > 0 ? ownProbes : groups.filter(({ prompt }) => isDrawn(prompt));
  const heldOut = firsts([...named, ...prompted], 'evaluation prompt given twice', out);
  const banned = new Set([...heldOut, ...probes].map(({ prompt }) => normal(prompt)));
  const seen = <T extends Asked>(rows: readonly T[], what: string): readonly T[] => {
    const kept = rows.filter(({ prompt }) => !banned.has(normal(prompt)));
    if (kept.length < rows.length) count(out, what, rows.length - kept.length);
    return kept;
  };
  return {
    ift: firsts(
      seen(demonstrations, 'demonstration of a held-out prompt'),
      'second demonstration of a prompt',
      out,
    ),
    ranked: unique(seen(groups, 'ranked group of a held-out prompt')),
    heldOut,
    probes: unique(probes),
  };
}

/** The files' own, else the best answer of each ranked group that has one best. */
function demonstrationsOf(files: readonly Given[], out: Counts): readonly Demonstrated[] {
  const own = all(files, ({ demonstrations }) => demonstrations);
  if (own.length > 0) return own;
  return all(files, ({ ranked }) => ranked).flatMap(({ id, prompt, responses }) => {
    const best = Math.max(...responses.map(({ value }) => value));
    const top = responses.filter(({ value }) => value === best);
    if (top.length === 1) return [{ id, prompt, response: top[0]!.text }];
    count(out, 'ranked group without one best answer (no demonstration)');
    return [];
  });
}

/** The first of each prompt. */
function firsts<T extends Asked>(rows: readonly T[], reason: string, out: Counts): readonly T[] {
  const seen = new Set<string>();
  const kept = rows.filter(({ prompt }) => !seen.has(normal(prompt)) && seen.add(normal(prompt)));
  if (kept.length < rows.length) count(out, reason, rows.length - kept.length);
  return unique(kept);
}

/** Ids of public data need not be unique, and ours must be: the second `7` is `7~2`. */
function unique<T extends Asked>(rows: readonly T[]): readonly T[] {
  const taken = new Set<string>();
  return rows.map((row) => {
    let id = row.id;
    for (let n = 2; taken.has(id); n++) id = `${row.id}~${n}`;
    taken.add(id);
    return id === row.id ? row : { ...row, id };
  });
}

/** As many as are wanted, drawn by prompt; in the files' order. */
function drawn<T extends Asked>(
  rows: readonly T[],
  kind: keyof FilesOptions['most'],
  { most, seed }: FilesOptions,
  out: Counts,
): readonly T[] {
  const wanted = most[kind];
  if (rows.length <= wanted) return rows;
  count(out, `${NAMES[kind]} beyond ${wanted}`, rows.length - wanted);
  const place = ({ id, prompt }: T) =>
    uniformAt(keyOf(seed, `files.draw.${kind}`, `${id} ${normal(prompt)}`), 0);
  const cut = rows.map(place).sort((a, b) => a - b)[wanted]!;
  return rows.filter((row) => place(row) < cut);
}

const NAMES = {
  ift: 'demonstration',
  ranked: 'ranked group',
  heldOut: 'held-out prompt',
  probes: 'probe group',
} as const;

const list = (counts: Readonly<Counts>): string =>
  Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, n]) => `${n} ${reason}`)
    .join(', ') || 'nothing';

const fileNote = ({ file, layout, rows, demonstrations, ranked, questions, out }: Given): string =>
  `${file} (${layout}): ${rows} rows read, ${demonstrations.length} demonstrations, ${ranked.length} ranked groups, ${questions.length} questions; left out: ${list(out)}`;

const notesOn = (files: readonly Given[], { ift, ranked, heldOut, probes }: Split, out: Counts): string[] => [
  ...files.map(fileNote),
  `of all files left out: ${list(out)}`,
  `train: ${ift.length} demonstrations, ${ranked.length} ranked groups; held out: ${heldOut.length} prompts, ${probes.length} ranked groups`,
  'no truth in this world: people’s order is what judging is measured by',
];

const nothingToLearn = ({ files }: FilesOptions, given: readonly Given[]): SoliloquyError =>
  new SoliloquyError(
    'data.invalid',
    `no demonstration is left to learn from: ${given.map(fileNote).join('; ')}`,
    {
      files,
      fix: 'name instructions, rankings or preferences with --data (`soliloquy data FILE` tells what a file gives), or hold less out (--set world.heldOutShare=0.1)',
    },
  );
