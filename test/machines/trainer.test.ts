import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { type TrainerInput, trainerMachine } from '../../machines/trainer.js';
import { episodeId, pairId, responseId, versionId, versionOf } from '../../src/protocol/ids.js';
import type { BodyOf } from '../../src/protocol/messages.js';
import { bodies, failure, received, types } from '../support/messages.js';

const trainerOf = (change: Partial<TrainerInput> = {}) =>
  machineRole(trainerMachine, { seed: 1, player: 'dpo', eft: true, creditLot: 2, retries: 0, ...change });
const request = (change: Partial<BodyOf<'training.request'>> = {}) =>
  received('training.request', {
    stage: 'iteration',
    iteration: 1,
    from: versionOf(1),
    to: versionOf(2),
    judge: 'live',
    episodes: 3,
    ...change,
  });
const scored = (c: number, value: number) => ({
  response: responseId(episodeId(1, 0), c),
  text: `t${c}`,
  score: value,
  judgements: [],
});
const paired = (ask: number) =>
  received('pair.made', {
    id: pairId(episodeId(1, ask)),
    iteration: 1,
    prompt: 'p',
    chosen: scored(0, 5),
    rejected: scored(1, 1),
    positives: [],
  });
const withheld = (ask: number) =>
  received('pair.withheld', {
    episode: episodeId(1, ask),
    iteration: 1,
    reason: 'tie',
    detail: '',
    positives: [],
  });
const trained = (change: Partial<BodyOf<'model.trained'>> = {}) =>
  received('model.trained', {
    from: versionOf(1),
    to: versionOf(2),
    objective: 'dpo',
    rows: 2,
    tooLong: 0,
    steps: 1,
    loss: 0.5,
    weightsHash: 'w',
    dataHash: 'd',
    ...change,
  });

describe('the trainer', () => {
  it('T1 waits for the last episode where the request comes first', () => {
    const trainer = trainerOf();
    expect(trainer.receive(request())).toEqual([]);
    trainer.receive(paired(0));
    expect(bodies(trainer.receive(withheld(1)), 'model.train')).toEqual([]);
    expect(types(trainer.receive(paired(2)))).toEqual(['model.train > model']);
  });

  it('T1 waits for the request where the episodes come first', () => {
    const trainer = trainerOf();
    for (const message of [paired(0), withheld(1), withheld(2)])
      expect(bodies(trainer.receive(message), 'model.train')).toEqual([]);
    expect(types(trainer.receive(request()))).toEqual(['model.train > model']);
  });

  it('T1 counts anew for each iteration', () => {
    const trainer = trainerOf();
    for (const message of [request({ episodes: 1 }), paired(0), trained()]) trainer.receive(message);
    expect(trainer.receive(request({ iteration: 2, episodes: 1 }))).toEqual([]);
    expect(bodies(trainer.receive(paired(0)), 'model.train')).toHaveLength(1);
  });

  it('T2 gives credit back in lots, for pairs and for none alike', () => {
    const trainer = trainerOf();
    expect(trainer.receive(paired(0))).toEqual([]);
    expect(bodies(trainer.receive(withheld(1)), 'prompts.credit')).toEqual([{ iteration: 1, episodes: 2 }]);
    expect(trainer.receive(withheld(2))).toEqual([]);
  });

  it('T3 seed stages are SFT from M0 and need no episode', () => {
    const SFT = { from: versionOf(0), iteration: 0, episodes: 0 } as const;
    const plan = (change: Partial<TrainerInput>, stage: 'sft-baseline' | 'sft') =>
      bodies(trainerOf(change).receive(request({ ...SFT, stage, to: versionId('SFT') })), 'model.train')[0];
    expect(plan({}, 'sft-baseline')).toMatchObject({ from: 'M0', objective: 'sft', datasets: ['ift'] });
    expect(plan({}, 'sft')).toMatchObject({ from: 'M0', objective: 'sft', datasets: ['ift', 'eft'] });
    expect(plan({ eft: false }, 'sft')).toMatchObject({ datasets: ['ift'] });
  });

  it('T3 DPO uses the newest version and only its own pairs; the lineage says the reference and the judge', () => {
    const trainer = trainerOf();
    const [job] = bodies(
      trainer.receive(request({ iteration: 2, from: versionOf(2), to: versionOf(3), episodes: 0 })),
      'model.train',
    );
    expect(job).toMatchObject({ from: 'M2', to: 'M3', objective: 'dpo', datasets: ['aift-M2'] });
    const said = trainer.receive(trained({ from: versionOf(2), to: versionOf(3) }));
    expect(bodies(said, 'version.made')).toMatchObject([
      { version: 'M3', from: 'M2', reference: 'M2', judge: 'live', datasets: ['aift-M2'] },
    ]);
  });

  it('T3 positives only: from M0 again, on the seed data and all positives so far, without a reference', () => {
    const trainer = trainerOf({ player: 'sft-positives' });
    const [job] = bodies(
      trainer.receive(request({ iteration: 2, from: versionOf(2), to: versionOf(3), episodes: 0 })),
      'model.train',
    );
    expect(job).toMatchObject({
      from: 'M0',
      objective: 'sft',
      datasets: ['ift', 'eft', 'positives-M1', 'positives-M2'],
    });
    const said = trainer.receive(trained({ from: versionOf(0), to: versionOf(3), objective: 'sft' }));
    expect(bodies(said, 'version.made')).toMatchObject([{ from: 'M0', reference: null }]);
  });

  it('T3 IPO and Iterative RPO: the newest version’s own pairs, with their recipe; plain DPO names none', () => {
    const jobOf = (change: Partial<TrainerInput>) =>
      bodies(trainerOf(change).receive(request({ episodes: 0 })), 'model.train')[0]!;
    const pairs = { from: 'M1', objective: 'dpo', datasets: ['aift-M1'] };
    expect(jobOf({ player: 'ipo' })).toMatchObject({
      ...pairs,
      recipe: { loss: 'ipo', nll: 0, agreement: 1 },
    });
    expect(jobOf({ player: 'irpo', alpha: 0.5 })).toMatchObject({
      ...pairs,
      recipe: { loss: 'sigmoid', nll: 0.5, agreement: 1 },
    });
    expect(jobOf({})).not.toHaveProperty('recipe');
  });

  it('T3 the data order has a key of its own for each version', () => {
    const keyFor = (to: number) =>
      bodies(trainerOf().receive(request({ to: versionOf(to), episodes: 0 })), 'model.train')[0]!.key;
    expect(keyFor(2)).toEqual(keyFor(2));
    expect(keyFor(2)).not.toEqual(keyFor(3));
  });

  it('T4 refuses a second request, waiting or training', () => {
    const trainer = trainerOf();
    trainer.receive(request({ episodes: 1 }));
    expect(types(trainer.receive(request()))).toEqual(['message.refused > record']);
    trainer.receive(paired(0));
    expect(types(trainer.receive(request()))).toEqual(['message.refused > record']);
    expect(types(trainer.receive(trained()))).toEqual(['version.made > coordinator']);
  });

  it('T5 orders a failed training again up to the limit, the same, and reports it once', () => {
    const trainer = trainerOf({ retries: 1 });
    const [job] = bodies(trainer.receive(request({ episodes: 0 })), 'model.train');
    expect(bodies(trainer.receive(failure('train/M2')), 'model.train')).toEqual([job]);
    expect(bodies(trainer.receive(failure('train/M2', 'no memory')), 'training.failed')).toEqual([
      { to: 'M2', reason: 'no memory' },
    ]);
    expect(types(trainer.receive(failure('train/M2')))).toEqual(['message.refused > record']);
  });
});
