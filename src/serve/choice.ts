/**
 * One answer, made in rounds: a few tokens, then twice as many, so that it can be shown as it grows, ends soon after a stop
 * text or its reader's leaving, and others join in between. The rounds depend on the answer alone and each has its own key;
 * so the same seed gives the same answer, streamed or whole, whoever else asks.
 */
import type { RngKey, SampleOutput, SampleRow } from '../protocol/lm.js';
import type { Tokenizer } from '../protocol/ports.js';
import { keyOf } from '../rng.js';
import { firstStop, type StopHit, settledLength } from './stop-text.js';

export interface Voice {
  readonly tokenizer: Tokenizer;
  readonly contextLength: number;
  sample(row: SampleRow): Promise<SampleOutput>;
  /** log p of each token given those before it; the first is NaN. */
  score(ids: readonly number[]): Promise<Float32Array>;
}

export interface ChoiceSpec {
  readonly promptIds: readonly number[];
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly stopIds: readonly number[];
  readonly stops: readonly string[];
  readonly logprobs: boolean;
  /** The new text is what it adds to the prompt's, with the white space between them. */
  readonly continues: boolean;
  readonly seed: number;
  /** Sets the choices of one request apart. */
  readonly index: number;
}

export interface TokenSaid {
  readonly id: number;
  readonly text: string;
  /** In the answer's text. */
  readonly offset: number;
  /** Where it was asked for. */
  readonly logprob: number | null;
}

export interface Piece {
  readonly text: string;
  readonly tokens: readonly TokenSaid[];
  readonly finish: 'stop' | 'length' | null;
  /** Tokens made up to here. */
  readonly made: number;
}

const FIRST_ROUND = 4;
const LONGEST_ROUND = 64;
/** Tokens of the prompt that tell how the new ones join. */
const JOINT = 8;

const roundKey = ({ seed, index }: ChoiceSpec, round: number): RngKey => keyOf(seed, 'serve', index, round);

/** Ids → text of the answer. */
export function speaker(
  { promptIds, continues }: ChoiceSpec,
  { decode }: Tokenizer,
): (ids: readonly number[]) => string {
  const before = continues ? promptIds.slice(-JOINT) : [];
  const base = before.length === 0 ? '' : decode(before);
  return (ids) => {
    const text = decode([...before, ...ids]);
    return text.startsWith(base) ? text.slice(base.length) : decode(ids);
  };
}

/** Each token's part of the text, in order; a token that completes no character has none. */
export function tokensOf(
  ids: readonly number[],
  speak: (ids: readonly number[]) => string,
  logprobs: readonly (number | null)[],
): TokenSaid[] {
  let offset = 0;
  return ids.map((id, i) => {
    const text = speak(ids.slice(0, i + 1)).replace(/\ufffd+$/, i + 1 === ids.length ? '$&' : '');
    const said = { id, text: text.slice(offset), offset, logprob: logprobs[i] ?? null };
    offset = Math.max(offset, text.length);
    return said;
  });
}

/** The fewest tokens whose text holds the whole stop text. */
function tokensUntil(
  hit: StopHit,
  ids: readonly number[],
  speak: (ids: readonly number[]) => string,
): number {
  let [low, high] = [1, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (speak(ids.slice(0, middle)).length >= hit.end) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Ends by itself; whoever stops listening stops the work with the next round. */
export async function* choiceOf(spec: ChoiceSpec, voice: Voice): AsyncGenerator<Piece> {
  const { promptIds, stops, stopIds, temperature, topP } = spec;
  const speak = speaker(spec, voice.tokenizer);
  const limit = Math.min(spec.maxTokens, voice.contextLength - promptIds.length);
  const ids: number[] = [];
  const logprobs: number[] = [];
  let shown = 0;
  let told = 0;
  let size = FIRST_ROUND;
  let finish: Piece['finish'] = limit > 0 ? null : 'length';
  if (finish !== null) yield { text: '', tokens: [], finish, made: 0 };
  for (let round = 0; finish === null; round++) {
    const asked = Math.min(size, limit - ids.length);
    size = Math.min(LONGEST_ROUND, 2 * size);
    const output = await voice.sample({
      promptIds: [...promptIds, ...ids],
      key: roundKey(spec, round),
      sampling: { temperature, topP, maxNewTokens: asked },
      stopIds,
    });
    ids.push(...output.ids);
    if (spec.logprobs && output.ids.length > 0) {
      const scored = await voice.score([...promptIds, ...ids]);
      logprobs.push(...scored.subarray(promptIds.length + logprobs.length));
    }
    const text = speak(ids);
    const hit = firstStop(text, stops);
    if (hit !== null || output.finish === 'stop') finish = 'stop';
    else if (ids.length >= limit) finish = 'length';
    const made = hit === null ? ids.length : tokensUntil(hit, ids, speak);
    const end = hit?.at ?? (finish === null ? Math.max(shown, settledLength(text, stops)) : text.length);
    const tokens = spec.logprobs ? tokensOf(ids, speak, logprobs).slice(0, made) : [];
    const ready = tokens
      .slice(told)
      .filter(({ offset }) => offset < end || (finish !== null && hit === null));
    yield { text: text.slice(shown, end), tokens: ready, finish, made };
    shown = Math.max(shown, end);
    told += ready.length;
  }
}
