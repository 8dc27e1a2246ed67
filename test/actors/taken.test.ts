/** Which transitions a message took: what the drawings light up leads from the state before to the state after. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MachineName, machines } from '../../actors/machines.js';
import { createStaging } from '../../actors/staging.js';
import type { Config } from '../../src/protocol/config.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { envelopesIn, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
let config: Config;
let envelopes: readonly Envelope[];

beforeAll(async () => {
  config = scriptedConfig(await writeTinyModel(join(folder.path, 'm0')), { iterations: 1 });
  await recordScripted(config, join(folder.path, 'run'));
  envelopes = await envelopesIn(join(folder.path, 'run'));
});
afterAll(() => folder.remove());

const isWithin = (state: string, name: string): boolean =>
  name === '' || state === name || state.startsWith(`${name}.`);
const machineOf = (address: string): MachineName => address.split(':')[0] as MachineName;
/** Initial states, which no message has led to. */
const firstOf = (address: string): string => {
  const { initial, states } = machines[machineOf(address)].describe();
  let state = initial;
  for (;;) {
    const inner = states.find(({ name }) => name === state)?.initial;
    if (inner === null || inner === undefined) return state;
    state = `${state}.${inner}`;
  }
};

describe('the transitions that a message took', () => {
  it('lead from the state before to the state after, the first by the message, the rest without one', () => {
    const staging = createStaging(config);
    const states = new Map<string, string>();
    let passedThrough = 0;
    for (const { to, type, ...rest } of envelopes) {
      const after = staging.take({ to, type, ...rest } as Envelope);
      if (after === null) continue;
      const before = states.get(to) ?? firstOf(to);
      states.set(to, after);
      const { transitions } = machines[machineOf(to)].describe();
      const taken = staging.contextOf(to)!.taken.map((number) => transitions[number]!);
      const [first, ...silent] = taken;
      expect([type, '*']).toContain(first?.on);
      expect(isWithin(before, first!.from)).toBe(true);
      let state = first!.to ?? before;
      for (const { on, from, to: next } of silent.filter((one) => one.on === null)) {
        expect(on).toBeNull();
        expect(isWithin(state, from) || isWithin(from, state)).toBe(true);
        state = next ?? state;
        passedThrough++;
      }
      expect(isWithin(after, state)).toBe(true);
    }
    expect(passedThrough).toBeGreaterThan(10);
  });

  it('tell guards apart: an episode is paired where a pair was made, and nowhere else', () => {
    const staging = createStaging(config);
    const { transitions } = machines.episode.describe();
    const paired = transitions.findIndex(({ to }) => to === 'paired');
    const lit = envelopes.flatMap((envelope) => {
      const state = staging.take(envelope);
      if (state === null || !envelope.to.startsWith('episode:')) return [];
      return staging.contextOf(envelope.to)!.taken.includes(paired) ? [envelope.to] : [];
    });
    const pairs = envelopes.filter(({ type }) => type === 'pair.made').map(({ from }) => from);
    expect(pairs.length).toBeGreaterThan(0);
    expect(lit).toEqual(pairs);
  });

  it.each(Object.keys(machines) as MachineName[])(
    'can be named in the %s: no two that need no message lead between the same states',
    (name) => {
      const silent = machines[name].describe().transitions.filter(({ on }) => on === null);
      expect(new Set(silent.map(({ from, to }) => `${from}→${to}`)).size).toBe(silent.length);
    },
  );
});
