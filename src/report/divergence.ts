/**
 * Owns: how long two logs say the same, and where they first don't. Both are streamed, as raw lines without their time and
 * hash; a fork's shared prefix is its parent's, byte for byte. Two equal runs on several workers may interleave their lines
 * differently, so the first fact that only one of them holds is looked for as well, whatever the order.
 */
import { createReadStream } from 'node:fs';
import { sha256 } from '../log/chain.js';

/** A message, shortly. */
export interface Said {
  readonly seq: number;
  readonly text: string;
}

export interface Divergence {
  /** Lines that both have alike, from the first on (run.start's config hash aside). */
  readonly common: number;
  /** Both are null where the logs say the same to the end; one of them, where that log ends. */
  readonly a: Said | null;
  readonly b: Said | null;
}

const WIDTH = 160;
/** `,"h":"` + 64 hex + `"}` */
const SUFFIX = 72;

/** `{"v":1,"seq":7,"at":1795552080192,"from":…,"h":"…"}` without `at` and `h`. */
const withoutTimeAndHash = (line: string): string =>
  line.replace(/^(\{"v":\d+,"seq":\d+),"at":[-\d.e+]+/, '$1').slice(0, -SUFFIX);

/** Configs differ as the arms do: that is known, and no divergence of what was said. */
const comparable = (line: string): string => {
  const bare = withoutTimeAndHash(line);
  return bare.includes('"type":"run.start"') ? bare.replace(/"configHash":"[^"]*"/, '') : bare;
};

/** The two texts from a little before their first difference. */
function windows(a: string, b: string): [string, string] {
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  const start = same > 100 ? same - 30 : 0;
  const cut = (text: string) =>
    `${start > 0 ? '…' : ''}${text.slice(start, start + WIDTH)}${text.length > start + WIDTH ? '…' : ''}`;
  return [cut(a), cut(b)];
}

interface Parts {
  readonly seq: number;
  readonly head: string;
  readonly body: string;
}

function partsOf(line: string): Parts {
  const { seq, from, to, type, body } = JSON.parse(line) as Record<string, unknown>;
  return { seq: Number(seq), head: `${type} (${from} → ${to})`, body: JSON.stringify(body) };
}

function told(a: Parts, b: Parts): { a: Said; b: Said } {
  const [bodyA, bodyB] = windows(a.body, b.body);
  return { a: { seq: a.seq, text: `${a.head} ${bodyA}` }, b: { seq: b.seq, text: `${b.head} ${bodyB}` } };
}

function alone({ seq, head, body }: Parts): Said {
  return { seq, text: `${head} ${body.length > WIDTH ? `${body.slice(0, WIDTH)}…` : body}` };
}

/** A log of which `lines` are whole: what a crash tore is not compared. */
export interface LogToRead {
  readonly log: string;
  readonly lines: number;
}

/** Only `\n` ends a line: a text may hold U+2028, which readline may take for one too. */
async function* linesOf({ log, lines }: LogToRead): AsyncGenerator<string, undefined> {
  const input = createReadStream(log, { encoding: 'utf8', highWaterMark: 1 << 18 });
  let left = lines;
  let rest = '';
  try {
    for await (const chunk of input) {
      const whole = `${rest}${chunk}`.split('\n');
      rest = whole.pop()!;
      for (const line of whole) {
        if (left-- <= 0) return;
        yield line;
      }
    }
  } finally {
    input.destroy();
  }
}

export async function firstDivergence(a: LogToRead, b: LogToRead): Promise<Divergence> {
  const [left, right] = [linesOf(a), linesOf(b)];
  try {
    for (let common = 0; ; common++) {
      const [lineA, lineB] = [(await left.next()).value, (await right.next()).value];
      if (lineA === undefined || lineB === undefined)
        return {
          common,
          a: lineA === undefined ? null : alone(partsOf(lineA)),
          b: lineB === undefined ? null : alone(partsOf(lineB)),
        };
      if (lineA !== lineB && comparable(lineA) !== comparable(lineB))
        return { common, ...told(partsOf(lineA), partsOf(lineB)) };
    }
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
}

/** What the loop makes, apart from measuring: prompts, answers, judgements, pairs, versions. */
const FACT =
  /"type":"(prompt\.made|prompt\.filtered|responses\.made|judgement\.made|pair\.made|pair\.withheld|version\.made)"/;
/** Names of casts, and what depends on places in the log. */
const NO_FACT = new Set(['player', 'judge', 'judgements', 'left', 'dataHash']);
/** A fact that the other log hasn't held for so many facts won't come. Bounds the memory. */
const LAG = 20_000;

/** So much of a waiting fact is kept to be told. */
const KEPT = 800;

interface Fact {
  readonly hash: string;
  readonly parts: Parts;
}

function factIn(line: string): Fact | undefined {
  if (!FACT.test(line)) return undefined;
  const { type, body } = JSON.parse(line) as Record<string, unknown>;
  const bare = JSON.stringify([type, body], (key, value: unknown) => (NO_FACT.has(key) ? undefined : value));
  const parts = partsOf(line);
  return { hash: sha256(bare).slice(0, 24), parts: { ...parts, body: parts.body.slice(0, KEPT) } };
}

async function* factsOf(log: LogToRead): AsyncGenerator<Fact, undefined> {
  for await (const line of linesOf(log)) {
    const fact = factIn(line);
    if (fact) yield fact;
  }
}

export interface OtherFacts {
  readonly a: Said | null;
  readonly b: Said | null;
}

/** The oldest fact of each log that the other doesn't hold; nulls where both hold the same. */
export async function firstOtherFacts(a: LogToRead, b: LogToRead): Promise<OtherFacts> {
  const [left, right] = [factsOf(a), factsOf(b)];
  // Facts that wait for the other log to say the same, oldest first.
  const [onlyA, onlyB] = [new Map<string, Parts>(), new Map<string, Parts>()];
  try {
    while (onlyA.size < LAG && onlyB.size < LAG) {
      const [nextA, nextB] = [(await left.next()).value, (await right.next()).value];
      if (!nextA && !nextB) break;
      if (nextA && !onlyB.delete(nextA.hash)) onlyA.set(nextA.hash, nextA.parts);
      if (nextB && !onlyA.delete(nextB.hash)) onlyB.set(nextB.hash, nextB.parts);
    }
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
  const [ownA, ownB] = [onlyA.values().next().value, onlyB.values().next().value];
  if (ownA && ownB) return told(ownA, ownB);
  return { a: ownA ? alone(ownA) : null, b: ownB ? alone(ownB) : null };
}
