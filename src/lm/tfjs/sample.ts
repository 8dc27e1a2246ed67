/**
 * Batched sampling with a KV cache. Rows with the same prompt share its prefill; every live row makes one token a step;
 * finished rows leave the batch. Token i of a row is drawn with `uniformAt(row.key, i)`, whoever stands beside it.
 */
import type { SampleOutput, SampleRow } from '../../protocol/lm.js';
import { uniformAt } from '../../rng.js';
import { type Layout, layOut } from '../layout.js';
import type { AttentionSession, Decoder } from './attention.js';
import { hiddenStates, type Lines, logitsOf, type Model } from './forward.js';
import { freeing } from './scope.js';
import { type TokenSampler, tokenSampler } from './token-sampler.js';

interface Continuation {
  readonly row: SampleRow;
  /** Most new tokens, by the row's wish and the model's positions. */
  readonly limit: number;
  readonly ids: number[];
  last: number;
  logprob: number;
  finish: SampleOutput['finish'] | null;
}

export function sample(model: Model, rows: readonly SampleRow[]): SampleOutput[] {
  const { maxPositions, vocabSize } = model.parameters.architecture;
  const all = rows.map((row) => begin(row, maxPositions));
  const live = all.filter((c) => c.finish === null);
  if (live.length > 0) run(model, live, tokenSampler(vocabSize));
  return all.map(({ ids, logprob, finish }) => ({ ids, logprob, finish: finish! }));
}

function begin(row: SampleRow, maxPositions: number): Continuation {
  const limit = Math.min(row.sampling.maxNewTokens, maxPositions - row.promptIds.length);
  return { row, limit, ids: [], last: 0, logprob: 0, finish: limit > 0 ? null : 'length' };
}

function run(model: Model, live: readonly Continuation[], sampler: TokenSampler): void {
  const { prompts, promptOf } = shared(live);
  const layout = layOut(prompts, model.attention.padded);
  const session = model.attention.begin(layout, 'cache');
  try {
    const logits = prefill(model, layout, session);
    live.forEach((c, i) => {
      take(c, logits, promptOf[i]!, sampler);
    });
    decodeAll(model, live, session.decode(promptOf), sampler);
  } finally {
    session.dispose();
  }
}

/** The distinct prompts, and which one each row continues. */
function shared(live: readonly Continuation[]) {
  const prompts: (readonly number[])[] = [];
  const index = new Map<string, number>();
  const promptOf = live.map(({ row }) => {
    const name = row.promptIds.join();
    const at = index.get(name) ?? prompts.push(row.promptIds) - 1;
    index.set(name, at);
    return at;
  });
  return { prompts, promptOf };
}

/** Logits after the last token of each prompt. */
function prefill(model: Model, layout: Layout, session: AttentionSession): Float32Array {
  return freeing(() => {
    const last = Int32Array.from(layout.starts, (start, row) => start + layout.lengths[row]! - 1);
    const x = hiddenStates(layout, model, (layer) => (qkv) => session.forward(layer, qkv), last);
    return logitsOf(x, model); // [prompts, V]
  });
}

function decodeAll(
  model: Model,
  live: readonly Continuation[],
  decoder: Decoder,
  sampler: TokenSampler,
): void {
  let slots = live;
  try {
    for (;;) {
      const alive = slots.flatMap((c, i) => (c.finish === null ? [i] : []));
      if (alive.length === 0) return;
      if (alive.length < slots.length && alive.length <= decoder.compactAt * slots.length) {
        decoder.keep(alive);
        slots = alive.map((i) => slots[i]!);
      }
      const lines = {
        ids: Int32Array.from(slots, (c) => c.last),
        // A finished slot goes along for a while: its numbers count for nothing.
        positions: Int32Array.from(slots, ({ row, ids }) => row.promptIds.length + ids.length - 1),
      };
      const logits = step(model, lines, decoder);
      slots.forEach((c, i) => {
        if (c.finish === null) take(c, logits, i, sampler);
      });
    }
  } finally {
    decoder.dispose();
  }
}

function step(model: Model, lines: Lines, decoder: Decoder): Float32Array {
  return freeing(() => {
    const x = hiddenStates(lines, model, (layer) => (qkv) => decoder.attend(layer, qkv));
    decoder.advance();
    return logitsOf(x, model);
  });
}

/** Draws the row's next token from line `line` of the logits. */
function take(c: Continuation, logits: Float32Array, line: number, sampler: TokenSampler): void {
  const { key, sampling, stopIds } = c.row;
  sampler.draw(logits, line * sampler.vocabSize, sampling, () => uniformAt(key, c.ids.length));
  c.logprob += sampler.logprob;
  if (stopIds.includes(sampler.id)) {
    c.finish = 'stop';
    return;
  }
  c.ids.push(sampler.id);
  c.last = sampler.id;
  if (c.ids.length === c.limit) c.finish = 'length';
}
