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

  it.each(['ensemble:[implicit,implicit:1]', 'ensemble:[live,lagged:1]'])('cream takes %s', (judge) =>
    expect(cast(judge, 'cream')).not.toThrow(),
  );
});
