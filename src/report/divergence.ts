/**
 * Owns: how long two logs say the same, and where they first don't. Both are streamed, as raw lines without their time and
 * hash; a fork's shared prefix is its parent's, byte for byte. What depends on the order of the lines is told by the
 * weights (comparison.ts), not here: two equal runs on several workers may interleave their lines differently.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

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

function told(lineA: string, lineB: string): { a: Said; b: Said } {
  const [a, b] = [partsOf(lineA), partsOf(lineB)];
  const [bodyA, bodyB] = windows(a.body, b.body);
  return { a: { seq: a.seq, text: `${a.head} ${bodyA}` }, b: { seq: b.seq, text: `${b.head} ${bodyB}` } };
}

function alone(line: string): Said {
  const { seq, head, body } = partsOf(line);
  return { seq, text: `${head} ${body.length > WIDTH ? `${body.slice(0, WIDTH)}…` : body}` };
}

/** A log of which `lines` are whole: what a crash tore is not compared. */
export interface LogToRead {
  readonly log: string;
  readonly lines: number;
}

async function* linesOf({ log, lines }: LogToRead): AsyncGenerator<string, undefined> {
  const input = createReadStream(log, { highWaterMark: 1 << 18 });
  const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let left = lines;
  try {
    for await (const line of reader) {
      if (left-- <= 0) return;
      yield line;
    }
  } finally {
    reader.close();
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
          a: lineA === undefined ? null : alone(lineA),
          b: lineB === undefined ? null : alone(lineB),
        };
      if (lineA !== lineB && comparable(lineA) !== comparable(lineB))
        return { common, ...told(lineA, lineB) };
    }
  } finally {
    await left.return(undefined);
    await right.return(undefined);
  }
}
