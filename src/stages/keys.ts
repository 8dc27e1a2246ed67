/**
 * Every random stream of a run, named in one place. A key depends on what it is for, never on when it is drawn, so that
 * two arms of a fork share every number that is not downstream of the change.
 */
import type { EpisodeId, ResponseId, VersionId } from '../protocol/ids.js';
import type { RngKey } from '../protocol/lm.js';
import { keyOf } from '../rng.js';

export const keys = {
  shots: (seed: number, episode: EpisodeId): RngKey => keyOf(seed, 'shots', episode),
  invent: (seed: number, episode: EpisodeId): RngKey => keyOf(seed, 'invent', episode),
  respond: (seed: number, response: ResponseId): RngKey => keyOf(seed, 'respond', response),
  judge: (seed: number, response: ResponseId, member: number, sample: number, attempt: number): RngKey =>
    keyOf(seed, 'judge', response, member, sample, attempt),
  /** A meta-judge's view of two judgements of a response, each named `member.sample`. */
  meta: (seed: number, response: ResponseId, first: string, second: string): RngKey =>
    keyOf(seed, 'meta-judge', response, first, second),
  /** A version's answer to a demonstration's prompt (SPIN). */
  demonstrate: (seed: number, version: VersionId, demonstration: string): RngKey =>
    keyOf(seed, 'demonstrate', version, demonstration),
  train: (seed: number, version: VersionId): RngKey => keyOf(seed, 'train', version),
  thin: (seed: number): RngKey => keyOf(seed, 'thin-eft'),
  /** Held-out answers share their numbers between versions, so that head-to-heads are paired. */
  heldOut: (seed: number, prompt: string): RngKey => keyOf(seed, 'held-out', prompt),
  selfScore: (seed: number, prompt: string, member: number, sample: number): RngKey =>
    keyOf(seed, 'self-score', prompt, member, sample),
  probe: (seed: number, group: string, index: number, sample: number): RngKey =>
    keyOf(seed, 'probe', group, index, sample),
  apprentice: (seed: number, group: string, index: number): RngKey => keyOf(seed, 'apprentice', group, index),
  bootstrap: (seed: number, version: VersionId, metric: string): RngKey =>
    keyOf(seed, 'bootstrap', version, metric),
};
