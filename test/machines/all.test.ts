/** What all seven machines have in common. */
import { describe, expect, it } from 'vitest';
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition, transition } from 'xstate';
import { type MachineName, machines } from '../../actors/machines.js';
import { machineRole, stateText } from '../../actors/role.js';
import { coordinatorMachine } from '../../machines/coordinator.js';
import { cellOf, leavesOf } from '../../machines/describe.js';
import { episodeMachine } from '../../machines/episode.js';
import { generatorMachine } from '../../machines/generator.js';
import { judgeMachine } from '../../machines/judge.js';
import { metaJudgeMachine } from '../../machines/meta-judge.js';
import { responderMachine } from '../../machines/responder.js';
import { trainerMachine } from '../../machines/trainer.js';
import { episodeId } from '../../src/protocol/ids.js';
import type { Envelope, MessageType, Received } from '../../src/protocol/messages.js';
import { type LoopOptions, metaJudging, runLoop } from '../support/loop.js';
import {
  bodies,
  failure,
  format,
  received,
  resultOf,
  sampling,
  template,
  types,
} from '../support/messages.js';

const live = { player: 'live' } as const;
const shared = { seed: 3, sampling, format, retries: 1, cast: live };
const options: LoopOptions = {
  seed: 3,
  credit: 8,
  asksPerRequest: 4,
  candidates: 3,
  samples: 2,
  redraws: 1,
  retries: 1,
  failing: 0.25,
  babble: 0.4,
  pauses: 3,
  asks: 12,
};
const rules = { minWords: 1, maxWords: 9, keywords: ['image'], similarity: 1 };
/** The machines with the inputs that the loop gives them for `options`. */
const made: Record<MachineName, { machine: AnyStateMachine; input: unknown }> = {
  coordinator: {
    machine: coordinatorMachine,
    input: { iterations: 1, asks: 12, credit: 8, apprentice: false, judge: 'live' },
  },
  generator: {
    machine: generatorMachine,
    input: { ...shared, shots: { seedShots: 1, madeShots: 1 }, rules, asksPerRequest: 4 },
  },
  episode: { machine: episodeMachine, input: { id: episodeId(1, 0), iteration: 1, maxScore: 5 } },
  responder: { machine: responderMachine, input: { ...shared, candidates: 3 } },
  judge: { machine: judgeMachine, input: { ...shared, members: [live], samples: 2, template, redraws: 1 } },
  'meta-judge': { machine: metaJudgeMachine, input: { ...shared, ...metaJudging } },
  trainer: {
    machine: trainerMachine,
    input: { seed: 3, player: 'dpo', eft: true, creditLot: 1, retries: 1 },
  },
};
/** The meta-judge is spoken to by one trainer alone. */
const loopFor = (name: string, change: Partial<LoopOptions> = {}) =>
  runLoop({ ...options, ...(name === 'meta-judge' && { trainer: 'meta-rewarding' }), ...change });
const names = Object.keys(machines) as MachineName[];
const pausing = names.filter((name) => name !== 'episode');
const heardBy = (log: readonly Envelope[], name: string): Received[] =>
  log
    .filter(({ to }) => to === name)
    .map(({ type, body, seq }) => ({ type, body, seq }) as unknown as Received);

describe('every machine', () => {
  it.each(names)('A1 %s refuses what its state has no transition for, and says which state', (name) => {
    const { machine, input } = made[name];
    const role = machineRole(machine, input);
    const before = role.snapshot;
    const [refusal] = bodies(
      role.receive(received('training.stepped' as MessageType as 'run.pause', {})),
      'message.refused',
    );
    expect(refusal).toEqual({
      by: name === 'episode' ? 'episode:1-0000' : name,
      state: stateText(before.value),
      type: 'training.stepped',
    });
    expect(refusal!.state).not.toBe('');
    expect(role.snapshot).toBe(before);
  });

  it.each(names)('A1 %s takes from its first state exactly what the table says', (name) => {
    const { machine, input } = made[name];
    const description = machines[name].describe();
    const first = stateText(machineRole(machine, input).snapshot.value);
    for (const event of description.events) {
      if (cellOf(description, first, event).length > 0) continue;
      expect(types(machineRole(machine, input).receive(received(event as 'run.pause', {}))), event).toEqual([
        'message.refused > record',
      ]);
    }
  });

  it.each(pausing)('A2 %s holds all but pause and resume, and takes it in order afterwards', (name) => {
    const { machine, input } = made[name];
    const heard = heardBy(loopFor(name, { pauses: 0 }), name);
    const cut = Math.ceil(heard.length / 3);
    const straight = machineRole(machine, input);
    const halting = machineRole(machine, input);
    const expected = heard.flatMap((message) => straight.receive(message));
    const own = (said: ReturnType<typeof straight.receive>) =>
      said.filter(({ message }) => message.type !== 'run.pause' && message.type !== 'run.resume');
    const said = heard.slice(0, cut).flatMap((message) => halting.receive(message));
    said.push(...own(halting.receive(received('run.pause', {}))));
    for (const message of heard.slice(cut)) expect(halting.receive(message)).toEqual([]);
    expect(halting.snapshot.context.held).toEqual(heard.slice(cut));
    said.push(...own(halting.receive(received('run.resume', {}))));
    expect(said).toEqual(expected);
    expect(halting.snapshot.value).toEqual(straight.snapshot.value);
    expect(halting.snapshot.context).toEqual(straight.snapshot.context);
  });

  it('A2 a held message that turns out to be wrong is refused after the pause, with the state of that moment', () => {
    const role = machineRole(responderMachine, made.responder.input);
    const ask = received('responses.request', { episode: episodeId(1, 0), iteration: 1, prompt: 'p' });
    role.receive(received('run.pause', {}));
    for (const message of [failure('respond/nobody'), ask, failure('respond/nobody')]) role.receive(message);
    const said = role.receive(received('run.resume', {}));
    expect(types(said)).toEqual([
      'message.refused > record',
      'model.request > model',
      'message.refused > record',
    ]);
    expect(bodies(said, 'message.refused').map(({ state }) => state)).toEqual([
      'working.idle',
      'working.answering',
    ]);
  });

  it.each(pausing)('A3 %s: a second pause and a lone resume change nothing', (name) => {
    const { machine, input } = made[name];
    const role = machineRole(machine, input);
    const first = stateText(role.snapshot.value);
    expect(role.receive(received('run.resume', {}))).toEqual([]);
    role.receive(received('run.pause', {}));
    expect(role.receive(received('run.pause', {}))).toEqual([]);
    role.receive(received('run.resume', {}));
    expect(stateText(role.snapshot.value)).toBe(first);
  });

  it.each(names)('A4 %s goes on from its JSON as from itself, at every message', (name) => {
    const { machine, input } = made[name];
    const log = loopFor(name);
    const heard = heardBy(
      log,
      name === 'episode'
        ? log.find(({ to, type }) => to.startsWith('episode:') && type === 'judgement.made')!.to
        : name,
    );
    let kept = initialTransition(machine, input)[0] as AnyMachineSnapshot;
    let restored = kept;
    const plain = (actions: readonly unknown[]) =>
      JSON.stringify(actions.map((action) => (action as { params?: unknown }).params));
    for (const message of heard) {
      const json = JSON.parse(JSON.stringify(machine.getPersistedSnapshot(restored)));
      restored = machine.restoreSnapshot(json, undefined as never) as AnyMachineSnapshot;
      const [one, first] = transition(machine, kept, message) as [AnyMachineSnapshot, readonly unknown[]];
      const [two, second] = transition(machine, restored, message) as [
        AnyMachineSnapshot,
        readonly unknown[],
      ];
      expect(plain(second)).toBe(plain(first));
      kept = one;
      restored = two;
    }
    expect(restored.context).toEqual(JSON.parse(JSON.stringify(kept.context)));
    expect(heard.length).toBeGreaterThan(2);
  });

  it('A5 every state can be reached, by the messages of runs', () => {
    const seen = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
    const TRANSIENT = new Set([
      'working.choosing',
      'working.inventing.asking',
      'answered',
      'judged',
      'working.ready',
      'reanswered',
    ]);
    const visit = (name: MachineName, input: unknown, heard: readonly Received[]) => {
      const role = machineRole(made[name].machine, input);
      for (const message of heard) {
        role.receive(message);
        seen.get(name)!.add(stateText(role.snapshot.value));
      }
      if (heard.length > 0)
        seen.get(name)!.add(stateText(machineRole(made[name].machine, input).snapshot.value));
    };
    for (const seed of [3, 4, 5, 6]) {
      const log = runLoop({ ...options, seed, samples: 1 });
      for (const name of pausing)
        visit(
          name,
          { ...(made[name].input as object), seed, ...(name === 'judge' ? { samples: 1 } : {}) },
          heardBy(log, name),
        );
      for (const address of new Set(log.map(({ to }) => to).filter((to) => to.startsWith('episode:'))))
        visit('episode', { id: address.slice(8), iteration: 1, maxScore: 5 }, heardBy(log, address));
    }
    const broken = runLoop({ ...options, failing: 4, retries: 0 });
    visit('trainer', { ...(made.trainer.input as object), retries: 0 }, heardBy(broken, 'trainer'));
    visit('coordinator', made.coordinator.input, heardBy(broken, 'coordinator'));
    const spin = {
      ...(made.trainer.input as object),
      player: 'spin',
      spin: { sampling, format, retries: 1 },
    };
    visit('trainer', spin, heardBy(runLoop({ ...options, failing: 0, trainer: 'spin' }), 'trainer'));
    for (const seed of [3, 4, 5]) {
      const own = { ...options, seed, samples: 1, iterations: 2 };
      const meta = runLoop({ ...own, samples: 3, trainer: 'meta-rewarding' });
      visit('meta-judge', { ...(made['meta-judge'].input as object), seed }, heardBy(meta, 'meta-judge'));
      const metaTrainer = { ...(made.trainer.input as object), seed, player: 'meta-rewarding' };
      visit('trainer', metaTrainer, heardBy(meta, 'trainer'));
      const temporal = runLoop({ ...own, trainer: 'temporal' });
      visit('trainer', { ...metaTrainer, player: 'temporal' }, heardBy(temporal, 'trainer'));
      for (const address of new Set(temporal.map(({ to }) => to).filter((to) => to.startsWith('episode:'))))
        visit(
          'episode',
          { id: address.slice(8), iteration: Number(address.slice(8, 9)), maxScore: 5, anchor: 'M0' },
          heardBy(temporal, address),
        );
    }
    const apprentice = { ...(made.coordinator.input as object), apprentice: true };
    visit(
      'coordinator',
      apprentice,
      heardBy(runLoop(options), 'coordinator')
        .slice(0, 5)
        .filter(({ type }) => !type.startsWith('run.p') && !type.startsWith('run.r')),
    );
    for (const name of names) {
      const missing = leavesOf(machines[name].describe())
        .map((state) => state.name)
        .filter((state) => !seen.get(name)!.has(state) && !TRANSIENT.has(state));
      expect(missing, name).toEqual([]);
    }
  });

  it("is what the model's results are read by: a result of another request is never mixed in", () => {
    const judge = machineRole(judgeMachine, made.judge.input);
    const ask = (id: number) =>
      received('judgements.request', {
        episode: episodeId(1, id),
        iteration: 1,
        prompt: 'p',
        responses: [
          { id: `1-000${id}/0` as never, text: 'a' },
          { id: `1-000${id}/1` as never, text: 'b' },
        ],
      });
    const [one] = bodies(judge.receive(ask(1)), 'model.request');
    judge.receive(ask(2));
    const made2 = bodies(
      judge.receive(received('model.result', resultOf(one!, () => 'Score: 1').body)),
      'judgement.made',
    );
    expect(new Set(made2.map(({ response }) => response.split('/')[0]))).toEqual(new Set(['1-0001']));
  });
});
