/** Prompts through the prefill graph: keys and values of each, and what draws the token after it. */
import type { Model } from './compiled.js';
import { copyStrided, type Segment } from './kv-blocks.js';
import { MASKED } from './kv-cache.js';
import { type PrefillBatch, padded, planPrefill } from './prefill-plan.js';
import { type Feeds, type Fetched, float32, floatsOf, int32, int64, size } from './session.js';

/** A prompt and the temperatures (above 0) at which its next token is wanted. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly temperatures: readonly number[];
}

/** Where the next token's distribution stands; line i is for the prompt's temperature i. */
export interface Prefilled {
  readonly prompt: number;
  readonly segments: readonly Segment[];
  readonly probabilities: Float32Array;
  readonly tops: Float32Array;
  readonly line: number;
}

/** Calls `take` once a prompt; in what order is the plan's business. */
export async function prefill(
  model: Model,
  prompts: readonly Prompt[],
  take: (prefilled: Prefilled) => void,
): Promise<void> {
  for (const batch of planPrefill(prompts.map(({ ids }) => ids))) {
    const head = batch.head.length === 0 ? undefined : await headOf(model, batch.head);
    const out = await runBatch(model, batch, prompts, head);
    const keys = floatsOf(out.keys);
    const values = floatsOf(out.values);
    const probabilities = floatsOf(out.probabilities);
    const tops = floatsOf(out.tops);
    let line = 0;
    batch.prompts.forEach((prompt, index) => {
      const { ids, temperatures } = prompts[prompt]!;
      const own: Segment = {
        keys,
        values,
        count: batch.prompts.length,
        index,
        lines: batch.lines,
        used: ids.length - batch.head.length,
      };
      take({ prompt, segments: head ? [head, own] : [own], probabilities, tops, line });
      line += temperatures.length;
    });
  }
}

async function headOf(model: Model, ids: readonly number[]): Promise<Segment> {
  const lines = padded(0, ids.length);
  const batch = { head: [], prompts: [0], lines };
  const { keys, values } = await runBatch(model, batch, [{ ids, temperatures: [1] }], undefined);
  return { keys: floatsOf(keys), values: floatsOf(values), count: 1, index: 0, lines, used: ids.length };
}

async function runBatch(
  model: Model,
  { head, prompts, lines }: PrefillBatch,
  all: readonly Prompt[],
  headSegment: Segment | undefined,
): Promise<Fetched> {
  const { compiled } = model;
  const count = prompts.length;
  const ids = new Int32Array(count * lines);
  const positions = new BigInt64Array(count * lines);
  const last: number[] = [];
  const temperatures: number[] = [];
  prompts.forEach((prompt, row) => {
    const own = all[prompt]!.ids.slice(head.length);
    ids.set(own, row * lines);
    own.forEach((_, i) => {
      positions[row * lines + i] = BigInt(head.length + i);
    });
    for (const temperature of all[prompt]!.temperatures) {
      last.push(row * lines + own.length - 1);
      temperatures.push(temperature);
    }
  });
  if (last.length === 1) {
    // A matrix of one line takes another path through onnxruntime, with other rounding.
    last.push(last[0]!);
    temperatures.push(temperatures[0]!);
  }
  const session = await compiled.prefill();
  return session.run({
    ...model.parameters(),
    ...compiled.rotation(head.length + lines),
    ...headFeeds(model, headSegment),
    ids: int32(ids, [ids.length]),
    positions: int64(positions, [positions.length, 1]),
    B: size(count),
    S: size(lines),
    mask: float32(causalMask(lines, head.length), [lines, head.length + lines]),
    lines: int64(BigInt64Array.from(last, BigInt), [last.length]),
    temperature: float32(Float32Array.from(temperatures), [temperatures.length, 1]),
  });
}

/** Query i sees the head and itself and those before it. */
export function causalMask(lines: number, head: number): Float32Array {
  const width = head + lines;
  const mask = new Float32Array(lines * width);
  for (let i = 0; i < lines; i++) mask.fill(MASKED, i * width + head + i + 1, (i + 1) * width);
  return mask;
}

function headFeeds({ compiled }: Model, head: Segment | undefined): Feeds {
  const { layers, kvHeads, headDim } = compiled.architecture;
  const used = head?.used ?? 0;
  const size = kvHeads * headDim;
  const feeds: Record<string, Feeds[string]> = {};
  for (let layer = 0; layer < layers; layer++) {
    const keys = new Float32Array(size * used);
    const values = new Float32Array(size * used);
    if (head !== undefined) {
      const from = layer * size * head.lines;
      copyStrided(head.keys, from, head.lines, keys, 0, used, size, used);
      const length = used * headDim;
      copyStrided(head.values, from, head.lines * headDim, values, 0, length, kvHeads, length);
    }
    feeds[`HK${layer}`] = float32(keys, [1, kvHeads, headDim, used]);
    feeds[`HV${layer}`] = float32(values, [1, kvHeads, used, headDim]);
  }
  return feeds;
}
