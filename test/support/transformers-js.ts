/** Exported folders as a user of transformers.js opens them: from this disk, on the CPU, nothing fetched. */
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  env,
  type PreTrainedModel,
  type PreTrainedTokenizer,
  Tensor,
} from '@huggingface/transformers';

env.allowRemoteModels = false;

export const openTokenizer = (dir: string): Promise<PreTrainedTokenizer> =>
  AutoTokenizer.from_pretrained(dir, { local_files_only: true });

/** Frees the session, however `use` ends. */
export async function withModel<T>(dir: string, use: (model: PreTrainedModel) => Promise<T>): Promise<T> {
  const model = await AutoModelForCausalLM.from_pretrained(dir, {
    device: 'cpu',
    dtype: 'fp32',
    local_files_only: true,
  });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

type Ids = readonly number[];
export const int64 = (rows: readonly Ids[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

/** Rows of one width: zeros on a side, and the mask that tells them from tokens. */
export function padded(rows: readonly Ids[], side: 'left' | 'right') {
  const width = Math.max(...rows.map((row) => row.length));
  const fill = (row: Ids, value: number): number[] => new Array(width - row.length).fill(value);
  const join = (row: Ids, rest: Ids): number[] => (side === 'left' ? [...rest, ...row] : [...row, ...rest]);
  return {
    width,
    ids: int64(rows.map((row) => join(row, fill(row, 0)))),
    mask: int64(
      rows.map((row) =>
        join(
          row.map(() => 1),
          fill(row, 0),
        ),
      ),
    ),
  };
}

/** The new tokens of each row, greedily, all at once. */
export async function greedy(model: PreTrainedModel, prompts: readonly Ids[], count: number) {
  const { ids, mask, width } = padded(prompts, 'left');
  const made = (await model.generate({
    inputs: ids,
    attention_mask: mask,
    max_new_tokens: count,
    do_sample: false,
    eos_token_id: null,
  } as Record<string, unknown>)) as Tensor;
  return (made.tolist() as bigint[][]).map((row) => row.slice(width).map(Number));
}

/** Logits of every place, [rows][places][V]. */
export async function logitsOf(model: PreTrainedModel, rows: readonly Ids[], side: 'left' | 'right') {
  const { ids, mask } = padded(rows, side);
  const { logits } = (await model({ input_ids: ids, attention_mask: mask })) as { logits: Tensor };
  return logits.tolist() as number[][][];
}

/** log p of each id but the first, from the logits of the places before. */
export const logprobsOf = (ids: Ids, logits: readonly Ids[]): number[] =>
  ids.slice(1).map((id, t) => {
    const row = logits[t]!;
    const top = Math.max(...row);
    return row[id]! - top - Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
  });
