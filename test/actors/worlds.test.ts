import { describe, expect, it } from 'vitest';
import { checkCasts } from '../../actors/worlds.js';
import { resolveConfig } from '../../src/protocol/config.js';
import type { World } from '../../src/protocol/ports.js';
import { format, template } from '../support/messages.js';

const blind: World = {
  name: 'blind',
  format,
  judgeTemplate: template,
  judgeTemplates: {},
  seed: () => Promise.reject(new Error('not here')),
};
const cast = (judge: string, trainer: 'dpo' | 'cream') => () =>
  checkCasts(resolveConfig({ cast: { judge, trainer } }), blind);
const refused = expect.objectContaining({ code: 'cast.invalid' });

describe('casts that a world or a trainer cannot play', () => {
  it.each(['oracle', 'gold', 'ensemble:[live,gold]'])('%s is refused where no truth is known', (judge) =>
    expect(cast(judge, 'dpo')).toThrow(refused),
  );

  it.each(['live', 'ensemble:[live,live]', 'ensemble:[live,lagged:1,random]'])(
    'cream is refused the judge %s: it compares two different ones',
    (judge) => expect(cast(judge, 'cream')).toThrow(refused),
  );

  const meta =
    (metaJudge: string, judge = 'live', world: World = blind) =>
    () =>
      checkCasts(resolveConfig({ cast: { trainer: 'meta-rewarding', metaJudge, judge } }), world);

  it.each(['gold', 'constant:3', 'implicit', 'ensemble:[live,random]', 'oracle'])(
    '%s can’t be a meta-judge (the oracle only where no truth is known)',
    (player) => expect(meta(player)).toThrow(refused),
  );

  it('a meta-judge needs judgements in writing; a model, random, and the oracle of a world with a truth can be one', () => {
    expect(meta('live', 'random')).toThrow(refused);
    for (const player of ['live', 'frozen:M1', 'random']) expect(meta(player)).not.toThrow();
    const seeing: World = { ...blind, truth: () => null };
    expect(meta('oracle', 'live', seeing)).not.toThrow();
    expect(meta('oracle', 'oracle', seeing)).toThrow(refused);
  });

  it('temporal pairs by score alone: length control is refused', () => {
    const config = resolveConfig({ cast: { trainer: 'temporal' }, pair: { lengthControl: 0.3 } });
    expect(() => checkCasts(config, blind)).toThrow(expect.objectContaining({ code: 'config.invalid' }));
    expect(() => resolveConfig({ temporal: { anchor: 'M2' as 'M1' } })).toThrow(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  });

  it.each(['ensemble:[implicit,implicit:1]', 'ensemble:[live,lagged:1]'])('cream takes %s', (judge) =>
    expect(cast(judge, 'cream')).not.toThrow(),
  );
});
