import { describe, expect, it } from 'vitest';
import {
  castText,
  isModelCast,
  type ModelCast,
  membersOf,
  parseCast,
  type Role,
  versionFor,
} from '../../src/protocol/cast.js';
import type { SoliloquyError } from '../../src/protocol/errors.js';

const refusalOf = (role: Role, text: string): SoliloquyError => {
  try {
    parseCast(role, text);
  } catch (error) {
    return error as SoliloquyError;
  }
  throw new Error(`${text} was taken`);
};

describe('a cast in shorthand', () => {
  it.each([
    ['live', { player: 'live' }],
    ['frozen:M1', { player: 'frozen', version: 'M1' }],
    ['frozen:SFT', { player: 'frozen', version: 'SFT' }],
    ['lagged:2', { player: 'lagged', by: 2 }],
    ['checkpoint:./a:b', { player: 'checkpoint', dir: './a:b' }],
    ['oracle', { player: 'oracle' }],
    ['gold', { player: 'gold' }],
    ['random', { player: 'random' }],
    ['constant:3', { player: 'constant', score: 3 }],
    ['constant:2.5', { player: 'constant', score: 2.5 }],
    [
      'ensemble:[live, frozen:M1,constant:0]',
      {
        player: 'ensemble',
        members: [{ player: 'live' }, { player: 'frozen', version: 'M1' }, { player: 'constant', score: 0 }],
      },
    ],
  ])('%s is read, and written back as itself', (text, cast) => {
    expect(parseCast('judge', text)).toEqual(cast);
    expect(parseCast('judge', castText(parseCast('judge', text)))).toEqual(cast);
  });

  it.each([
    ['', 'no such player'],
    ['paul', 'no such player'],
    ['live:1', 'takes no argument'],
    ['frozen', 'names no version'],
    ['frozen:2', 'names no version'],
    ['lagged:0', 'whole number'],
    ['lagged:1.5', 'whole number'],
    ['checkpoint:', 'needs a folder'],
    ['constant:6', 'from 0 to 5'],
    ['constant:-1', 'from 0 to 5'],
    ['constant:x', 'from 0 to 5'],
    ['ensemble:[live]', 'at least two'],
    ['ensemble:live,oracle', 'at least two'],
    ['ensemble:[live,paul]', 'no such player'],
    ['ensemble:[live,ensemble:[live,live]]', 'no such player'],
    ['endpoint:', 'needs the name of an endpoint'],
    ['endpoint:http://x', 'needs the name of an endpoint'],
    ['module:x', 'not in this version'],
  ])('%j is refused and says why', (text, why) => {
    const refusal = refusalOf('judge', text);
    expect(refusal).toMatchObject({ code: 'cast.invalid', fields: { fix: expect.stringContaining('live') } });
    expect(refusal.message).toContain(why);
  });

  it('players that only score can be no generator and no responder', () => {
    for (const role of ['generator', 'responder'] as const) {
      for (const text of ['oracle', 'random', 'constant:3', 'ensemble:[live,live]'])
        expect(refusalOf(role, text).message).toContain(`can't be the ${role}`);
      for (const text of ['live', 'frozen:M1', 'lagged:1', 'checkpoint:x', 'endpoint:x'])
        expect(isModelCast(parseCast(role, text))).toBe(true);
    }
  });

  it('a bench has the members of an ensemble, else the one player', () => {
    expect(membersOf(parseCast('judge', 'ensemble:[live,random]'))).toEqual([
      { player: 'live' },
      { player: 'random' },
    ]);
    expect(membersOf(parseCast('judge', 'oracle'))).toEqual([{ player: 'oracle' }]);
  });

  it('names the version that plays when the newest is M_t', () => {
    const at = (text: string, t: number) => versionFor(parseCast('generator', text) as ModelCast, t);
    expect([
      at('live', 2),
      at('frozen:SFT', 2),
      at('lagged:1', 2),
      at('lagged:5', 2),
      at('checkpoint:dir', 2),
      at('endpoint:big', 2),
    ]).toEqual(['M2', 'SFT', 'M1', 'M0', 'checkpoint:dir', 'endpoint:big']);
  });
});
