/**
 * The names of things. Branded strings, so that an episode can't be passed where a version is meant.
 * All ids are ours, stable across threads and runs; none comes from a framework's counter.
 */
type Brand<T, B extends string> = T & { readonly __brand: B };

/** `M0`, `SFT`, `M1`, `M2` … or `checkpoint:<name>` for a model that was brought along. */
export type VersionId = Brand<string, 'VersionId'>;
/** `<iteration>-<ask, four digits>`: the life of one prompt, e.g. `1-0042`. */
export type EpisodeId = Brand<string, 'EpisodeId'>;
/** `<episode>/<candidate>`, e.g. `1-0042/3`. */
export type ResponseId = Brand<string, 'ResponseId'>;
/** `<response>/<judge member>.<sample>`, e.g. `1-0042/3/0.2`. */
export type JudgementId = Brand<string, 'JudgementId'>;
/** A pair has its episode's name: an episode gives one pair or none. */
export type PairId = Brand<string, 'PairId'>;

export const versionId = (text: string): VersionId => text as VersionId;
/** M_t of iteration t: `versionOf(2)` is `M2`. */
export const versionOf = (t: number): VersionId => `M${t}` as VersionId;
export const episodeId = (iteration: number, ask: number): EpisodeId =>
  `${iteration}-${String(ask).padStart(4, '0')}` as EpisodeId;
export const responseId = (episode: EpisodeId, candidate: number): ResponseId =>
  `${episode}/${candidate}` as ResponseId;
export const judgementId = (response: ResponseId, member: number, sample: number): JudgementId =>
  `${response}/${member}.${sample}` as JudgementId;
export const pairId = (episode: EpisodeId): PairId => episode as string as PairId;
