import { describe, expect, it } from 'vitest';
import { machineRole, stateText } from '../../actors/role.js';
import { type CoordinatorInput, coordinatorMachine } from '../../machines/coordinator.js';
import { versionOf } from '../../src/protocol/ids.js';
import type { BodyOf, Outgoing, Received } from '../../src/protocol/messages.js';
import { bodies, received, types } from '../support/messages.js';

const coordinatorOf = (change: Partial<CoordinatorInput> = {}) =>
  machineRole(coordinatorMachine, {
    iterations: 2,
    asks: 5,
    credit: 4,
    apprentice: false,
    judge: 'live',
    ...change,
  });
const start = () => received('run.start', { configHash: '', baseHash: '' });
const seedReady = () =>
  received('seed.ready', { counts: { ift: 1, eft: 1, ranked: 0, heldOut: 1, probes: 0 }, notes: [] });
const measured = (version = versionOf(0)) => received('evaluation.made', { version, metrics: [] });

/** What the others would answer. */
function reply({ message }: Outgoing): Received | null {
  switch (message.type) {
    case 'seed.request':
      return seedReady();
    case 'evaluation.request':
      return measured(message.body.version);
    case 'eft.request':
      return received('eft.made', { kept: 1, leftOut: {} });
    case 'prompts.request':
      return received('prompts.made', {
        iteration: message.body.iteration,
        episodes: message.body.asks,
        filtered: 0,
        failed: 0,
      });
    case 'training.request': {
      const { to: version, from, stage, iteration } = message.body;
      return received('version.made', {
        version,
        from,
        reference: null,
        stage,
        iteration,
        weightsHash: '',
        datasets: [],
        dataHash: '',
        rows: 1,
        tooLong: 0,
        judge: null,
      });
    }
    default:
      return null;
  }
}

function walk(coordinator = coordinatorOf()): { said: Outgoing[]; states: string[] } {
  const said = [...coordinator.receive(start())];
  const states = [stateText(coordinator.snapshot.value)];
  for (let at = 0; at < said.length; at++) {
    const answer = reply(said[at]!);
    if (!answer) continue;
    said.push(...coordinator.receive(answer));
    states.push(stateText(coordinator.snapshot.value));
  }
  return { said, states };
}

describe('the coordinator', () => {
  it('C1 makes SFT and M1 from M0, then each version from the one before', () => {
    const steps = bodies(walk().said, 'training.request').map(
      ({ stage, from, to, episodes }) => `${stage} ${from}>${to} ${episodes}`,
    );
    expect(steps).toEqual(['sft-baseline M0>SFT 0', 'sft M0>M1 0', 'iteration M1>M2 5', 'iteration M2>M3 5']);
  });

  it("C1 invites with the iteration's own version and credit", () => {
    expect(bodies(walk().said, 'prompts.request')).toEqual(
      [1, 2].map((t) => ({ iteration: t, version: `M${t}`, asks: 5, credit: 4 })),
    );
  });

  it('C2 measures every version, against the one before and the baseline', () => {
    const steps = bodies(walk().said, 'evaluation.request').map(
      ({ version, against, reference }) => `${version} against ${against} from ${reference}`,
    );
    expect(steps).toEqual([
      'M0 against  from null',
      'SFT against M0 from M0',
      'M1 against SFT from M0',
      'M2 against M1,SFT from M1',
      'M3 against M2,SFT from M2',
    ]);
  });

  it('C7 in rounds each version is measured against the one before, the group’s start and the baseline', () => {
    const { said } = walk(coordinatorOf({ iterations: 3, rounds: 2 }));
    const steps = bodies(said, 'evaluation.request').map(
      ({ version, against, reference }) => `${version} against ${against} from ${reference}`,
    );
    expect(steps.slice(3)).toEqual([
      'M2 against M1,SFT from M1',
      'M3 against M2,M1,SFT from M1',
      'M4 against M3,SFT from M3',
    ]);
  });

  it('C3 ends with all versions', () => {
    const { said, states } = walk();
    expect(bodies(said, 'run.finished')).toEqual([{ versions: ['M0', 'SFT', 'M1', 'M2', 'M3'] }]);
    expect(said.at(-1)!.message.type).toBe('run.finished');
    expect(states.at(-1)).toBe('working.done');
  });

  it('C3 a failed measurement or training ends the run with its reason, once, a pause or not', () => {
    const unmeasured = coordinatorOf();
    for (const message of [start(), seedReady()]) unmeasured.receive(message);
    const ended = unmeasured.receive(
      received('evaluation.failed', { version: versionOf(0), reason: 'no memory' }),
    );
    expect(bodies(ended, 'run.failed')).toEqual([{ reason: 'no memory', at: 'M0' }]);
    const after = [
      ...unmeasured.receive(received('run.pause', {})),
      ...unmeasured.receive(received('run.resume', {})),
    ];
    expect(bodies(after, 'run.failed')).toEqual([]);
    const untrained = coordinatorOf();
    for (const message of [start(), seedReady(), measured()]) untrained.receive(message);
    const failed: BodyOf<'training.failed'> = { to: versionOf(1), reason: 'disk full' };
    expect(types(untrained.receive(received('training.failed', failed)))).toEqual(['run.failed > user']);
    expect(types(untrained.receive(received('training.failed', failed)))).toEqual([
      'message.refused > record',
    ]);
  });

  it('C4 passes pause and resume to the four roles, once each', () => {
    const coordinator = coordinatorOf();
    const roles = ['generator', 'responder', 'judge', 'trainer'];
    expect(types(coordinator.receive(received('run.pause', {})))).toEqual(
      roles.map((role) => `run.pause > ${role}`),
    );
    expect(coordinator.receive(received('run.pause', {}))).toEqual([]);
    expect(types(coordinator.receive(received('run.resume', {})))).toEqual(
      roles.map((role) => `run.resume > ${role}`),
    );
    expect(coordinator.receive(received('run.resume', {}))).toEqual([]);
  });

  it('C4 passes them to the meta-judge too where one plays', () => {
    const coordinator = coordinatorOf({ metaJudge: true });
    const told = ['generator', 'responder', 'judge', 'trainer', 'meta-judge'];
    expect(types(coordinator.receive(received('run.pause', {})))).toEqual(
      told.map((one) => `run.pause > ${one}`),
    );
    expect(types(coordinator.receive(received('run.resume', {})))).toEqual(
      told.map((one) => `run.resume > ${one}`),
    );
  });

  it('C4 what came in a pause is taken after it', () => {
    const coordinator = coordinatorOf();
    coordinator.receive(start());
    coordinator.receive(received('run.pause', {}));
    expect(coordinator.receive(seedReady())).toEqual([]);
    expect(types(coordinator.receive(received('run.resume', {}))).at(-1)).toBe(
      'evaluation.request > evaluator',
    );
    expect(stateText(coordinator.snapshot.value)).toBe('working.measuringBase');
  });

  it('C4 a pause in the middle of an iteration comes back to its very place', () => {
    const coordinator = coordinatorOf({ iterations: 1 });
    const before = bodies(walk(coordinator).said, 'prompts.request');
    expect(before).toHaveLength(1);
    const paused = coordinatorOf();
    const said = [...paused.receive(start())];
    for (let at = 0; stateText(paused.snapshot.value) !== 'working.iteration.training'; at++)
      said.push(...paused.receive(reply(said[at]!)!));
    paused.receive(received('run.pause', {}));
    paused.receive(received('run.resume', {}));
    expect(stateText(paused.snapshot.value)).toBe('working.iteration.training');
  });

  it('C5 no iterations: ends with M1', () => {
    expect(bodies(walk(coordinatorOf({ iterations: 0 })).said, 'run.finished')).toEqual([
      { versions: ['M0', 'SFT', 'M1'] },
    ]);
  });

  it('C6 trains on demonstrations without an invitation, and waits for no episode', () => {
    const { said } = walk(coordinatorOf({ demonstrations: true }));
    expect(types(said)).not.toContain('prompts.request > generator');
    const trained = bodies(said, 'training.request').filter(({ stage }) => stage === 'iteration');
    expect(trained.length).toBeGreaterThan(0);
    expect(trained.map(({ from, to, episodes }) => [from, to, episodes])).toEqual(
      trained.map((_, i) => [`M${i + 1}`, `M${i + 2}`, 0]),
    );
    expect(types(said).at(-1)).toBe('run.finished > user');
  });

  it('C5 asks the baseline for EFT only where the world has none', () => {
    expect(types(walk().said)).not.toContain('eft.request > evaluator');
    const { said } = walk(coordinatorOf({ apprentice: true }));
    expect(bodies(said, 'eft.request')).toEqual([{ version: 'SFT' }]);
    expect(types(said).indexOf('eft.request > evaluator')).toBeLessThan(
      said.findIndex(({ message }) => message.type === 'training.request' && message.body.to === 'M1'),
    );
  });
});
