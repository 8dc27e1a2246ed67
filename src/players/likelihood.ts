/**
 * How likely a version (and a reference) finds given answers: `likelihood.request` → `likelihood.result`. One request is one
 * batch, so that no number depends on what else was asked.
 */
import type { VersionId } from '../protocol/ids.js';
import type { BodyOf } from '../protocol/messages.js';
import type { LanguageModel } from '../protocol/ports.js';
import { readingOf } from '../stages/reading.js';

type Request = BodyOf<'likelihood.request'>;

export async function likelihoods(
  model: LanguageModel,
  load: (version: VersionId) => Promise<void>,
  request: Request,
): Promise<BodyOf<'likelihood.result'>> {
  const { id, version, reference, items } = request;
  const own = await sumsBy(model, load, version, request);
  const other = reference === null ? null : await sumsBy(model, load, reference, request);
  return {
    id,
    items: items.map((item, i) => ({
      id: item.id,
      logprob: own[i]!.logprob,
      reference: other === null ? null : other[i]!.logprob,
      tokens: own[i]!.tokens,
    })),
  };
}

/** Σ log p of each answer and its end; null where it doesn't fit the context. */
async function sumsBy(
  model: LanguageModel,
  load: (version: VersionId) => Promise<void>,
  version: VersionId,
  { items, through }: Request,
): Promise<{ readonly logprob: number | null; readonly tokens: number }[]> {
  await load(version);
  const reading = readingOf(model.tokenizer(version), through);
  const rows = items.map(({ prompt, target }) => reading.row(prompt, target));
  const room = model.contextLength(version);
  const fits = rows.map(({ ids }) => ids.length <= room);
  const scored = await model.score(
    version,
    rows.filter((_, i) => fits[i]).map(({ ids }) => ids),
  );
  let at = 0;
  return rows.map(({ ids, targetStart }, i) => ({
    logprob: fits[i] ? scored[at++]!.subarray(targetStart).reduce((a, b) => a + b, 0) : null,
    tokens: ids.length - targetStart,
  }));
}
