import { from, lastValueFrom, type Observable, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  byIteration,
  byRole,
  metrics,
  nextProgress,
  ofType,
  type Progress,
  progress,
} from '../../actors/streams.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { ofKind, runLoop } from '../support/loop.js';

const log = runLoop({ seed: 9, asks: 8, iterations: 2 });
const all = <T>(stream: Observable<T>): Promise<T[]> => lastValueFrom(stream.pipe(toArray()));
const messages$ = from(log);

describe('views of the stream', () => {
  it('by type: the bodies, in order', async () => {
    expect(await all(ofType(messages$, 'pair.made'))).toEqual(ofKind(log, 'pair.made'));
    expect(ofKind(log, 'pair.made').length).toBeGreaterThan(0);
  });

  it('by role: what it said or heard', async () => {
    const judge = await all(byRole(messages$, 'judge'));
    expect(judge).toEqual(log.filter(({ from: by, to }) => by === 'judge' || to === 'judge'));
    expect(new Set(judge.map(({ type }) => type))).toEqual(
      new Set(['judgements.request', 'model.request', 'model.result', 'judgement.made']),
    );
  });

  it('by iteration: what says its iteration', async () => {
    const second = await all(byIteration(messages$, 2));
    expect(second.length).toBeGreaterThan(0);
    expect(second.every(({ body }) => (body as { iteration: number }).iteration === 2)).toBe(true);
  });

  it('metrics: one of each version', async () => {
    expect((await all(metrics(messages$))).map(({ version }) => version)).toEqual([
      'M0',
      'SFT',
      'M1',
      'M2',
      'M3',
    ]);
  });

  it('progress is the same live and from the log, and ends finished', async () => {
    const live = await all(progress(messages$));
    let folded: Progress = live[0]!;
    for (const envelope of log.slice(1)) folded = nextProgress(folded, envelope);
    expect(live).toHaveLength(log.length);
    expect(live.at(-1)).toMatchObject({
      phase: 'finished',
      asks: 8,
      invented: 8,
      closed: 8,
      messages: log.length,
    });
    expect(folded).toEqual(live.at(-1));
  });

  it('progress counts of each iteration on its own', async () => {
    const live = await all(progress(messages$));
    const starts = log.flatMap(({ type }, i) => (type === 'prompts.request' ? [live[i]!] : []));
    expect(
      starts.map(({ phase, invented, closed, pairs, judgements }) => [
        phase,
        invented,
        closed,
        pairs,
        judgements,
      ]),
    ).toEqual([
      ['iteration 1', 0, 0, 0, 0],
      ['iteration 2', 0, 0, 0, 0],
    ]);
    const last = live.at(-1)!;
    const second = (type: Envelope['type']) =>
      log.slice(log.findLastIndex((one) => one.type === 'prompts.request')).filter((one) => one.type === type)
        .length;
    expect([last.pairs, last.judgements]).toEqual([second('pair.made'), second('judgement.made')]);
  });
});
