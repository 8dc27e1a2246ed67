import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { type TrainerInput, trainerMachine } from '../../machines/trainer.js';
import { episodeId, pairId, responseId, versionId, versionOf } from '../../src/protocol/ids.js';
import type { BodyOf } from '../../src/protocol/messages.js';
import { bodies, failure, format, received, resultOf, sampling, types } from '../support/messages.js';

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

  it('T7 IPO and Iterative RPO: the newest version’s own pairs, with their recipe; plain DPO names none', () => {
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

  it('T7 an external command: the newest version’s own pairs, marked as its; SFT too only where its stages are all', () => {
    const jobOf = (change: Partial<TrainerInput>, asked: Partial<BodyOf<'training.request'>> = {}) =>
      bodies(
        trainerOf({ player: 'command', ...change }).receive(request({ episodes: 0, ...asked })),
        'model.train',
      )[0]!;
    const pairs = { from: 'M1', objective: 'dpo', datasets: ['aift-M1'], by: 'command' };
    for (const commandStages of ['dpo', 'all'] as const)
      expect(jobOf({ commandStages })).toMatchObject(pairs);
    const sft = { stage: 'sft', iteration: 0, from: versionOf(0), to: versionOf(1) } as const;
    expect(jobOf({ commandStages: 'all' }, sft)).toMatchObject({ objective: 'sft', by: 'command' });
    expect(jobOf({ commandStages: 'dpo' }, sft)).not.toHaveProperty('by');
    expect(jobOf({ player: 'dpo', commandStages: 'all' }, sft)).not.toHaveProperty('by');
  });

  it('T9 in rounds DPO goes on from the newest version and refers to the one at the group’s start; the lineage says so', () => {
    const trainer = trainerOf({ rounds: 2 });
    const jobOf = (t: number) => {
      const [from, to] = [versionOf(t), versionOf(t + 1)];
      const said = trainer.receive(request({ iteration: t, from, to, episodes: 0 }));
      const [made] = bodies(trainer.receive(trained({ from, to })), 'version.made');
      return [bodies(said, 'model.train')[0]!, made!] as const;
    };
    const [first, m2] = jobOf(1);
    expect(first).toMatchObject({ from: 'M1', to: 'M2' });
    expect(first).not.toHaveProperty('reference');
    expect(m2.reference).toBe('M1');
    const [second, m3] = jobOf(2);
    expect(second).toMatchObject({ from: 'M2', to: 'M3', reference: 'M1', datasets: ['aift-M2'] });
    expect(m3).toMatchObject({ from: 'M2', reference: 'M1' });
    expect(jobOf(3)[0]).not.toHaveProperty('reference');
  });

  it('T8 CREAM: the recipe’s agreement is the mean of what the iteration’s episodes say, paired or not', () => {
    const trainer = trainerOf({ player: 'cream' });
    const saying = (message: ReturnType<typeof paired> | ReturnType<typeof withheld>, consistency: number) =>
      ({ ...message, body: { ...message.body, consistency } }) as typeof message;
    trainer.receive(saying(paired(0), 1));
    trainer.receive(saying(withheld(1), 0.5));
    trainer.receive(withheld(2));
    const [job] = bodies(trainer.receive(request()), 'model.train');
    expect(job).toMatchObject({
      datasets: ['aift-M1'],
      recipe: { loss: 'sigmoid', nll: 0, agreement: 0.75 },
    });
    trainer.receive(trained());
    const next = trainer.receive(
      request({ iteration: 2, from: versionOf(2), to: versionOf(3), episodes: 0 }),
    );
    expect(bodies(next, 'model.train')[0]!.recipe!.agreement).toBe(1);
  });

  it('T10 Meta-Rewarding: asks for the judgement pairs once the episodes are closed, and trains on both', () => {
    const trainer = trainerOf({ player: 'meta-rewarding' });
    for (const ask of [0, 1]) trainer.receive(paired(ask));
    trainer.receive(request());
    const asked = trainer.receive(withheld(2));
    expect(types(asked)).toContain('judgement-pairs.request > meta-judge');
    expect(bodies(asked, 'model.train')).toEqual([]);
    const sum = { iteration: 1, pairs: 1, withheld: 1, wins: { first: 1, second: 1 } };
    const [job] = bodies(trainer.receive(received('judgement-pairs.made', sum)), 'model.train');
    expect(job).toMatchObject({ from: 'M1', objective: 'dpo', datasets: ['aift-M1', 'judgements-M1'] });
    const seed = trainerOf({ player: 'meta-rewarding' });
    const first = request({ stage: 'sft', iteration: 0, from: versionOf(0), to: versionOf(1), episodes: 0 });
    expect(types(seed.receive(first))).toEqual(['model.train > model']);
  });

  describe('Temporal Self-Rewarding', () => {
    const future = versionId('M2-future');
    const revised = (ask: number) =>
      received('pair.revised', {
        id: pairId(episodeId(1, ask)),
        iteration: 1,
        prompt: 'p',
        chosen: scored(0, 5),
        rejected: scored(1, 1),
        by: 'present',
        detail: '',
      });
    const begun = (change: Partial<TrainerInput> = {}) => {
      const trainer = trainerOf({ player: 'temporal', ...change });
      for (const message of [paired(0), paired(1), withheld(2)]) trainer.receive(message);
      return { trainer, said: trainer.receive(request()) };
    };

    it('T11 makes a temporary version on the first pairs, has each pair looked at again, then the version itself from where it began', () => {
      const { trainer, said } = begun();
      expect(bodies(said, 'model.train')).toMatchObject([
        { stage: 'future', from: 'M1', to: 'M2-future', datasets: ['aift-M1'] },
      ]);
      const next = trainer.receive(trained({ to: future }));
      expect(types(next)).toEqual([
        'version.made > record',
        'pair.revise > episode:1-0000',
        'pair.revise > episode:1-0001',
      ]);
      expect(bodies(next, 'version.made')).toMatchObject([
        { version: 'M2-future', from: 'M1', reference: 'M1' },
      ]);
      expect(bodies(next, 'pair.revise')[0]!.version).toBe('M2-future');
      expect(trainer.receive(revised(1))).toEqual([]);
      expect(bodies(trainer.receive(revised(0)), 'model.train')).toMatchObject([
        { stage: 'iteration', from: 'M1', to: 'M2', datasets: ['temporal-M1'] },
      ]);
      expect(types(trainer.receive(trained()))).toEqual(['version.made > coordinator']);
    });

    it('T11 without a pair there is no temporary version', () => {
      const trainer = trainerOf({ player: 'temporal' });
      trainer.receive(withheld(0));
      expect(bodies(trainer.receive(request({ episodes: 1 })), 'model.train')).toMatchObject([
        { stage: 'iteration', to: 'M2' },
      ]);
    });

    it('T5 a temporary version that can’t be trained is tried again, then reported once', () => {
      const { trainer, said } = begun({ retries: 1 });
      const [job] = bodies(said, 'model.train');
      expect(bodies(trainer.receive(failure('train/M2-future')), 'model.train')).toEqual([job]);
      expect(bodies(trainer.receive(failure('train/M2-future', 'no memory')), 'training.failed')).toEqual([
        { to: 'M2-future', reason: 'no memory' },
      ]);
    });
  });

  describe('SPIN', () => {
    const spin = { sampling, format, retries: 1 };
    const row = (i: number) => ({ id: `ift-${i}`, prompt: `p${i}`, response: `human ${i}` });
    const given = (rows: ReturnType<typeof row>[], left: number) =>
      received('demonstrations.given', { rows, left });
    const begun = (change: Partial<TrainerInput> = {}) => {
      const trainer = trainerOf({ player: 'spin', spin, ...change });
      return { trainer, said: trainer.receive(request({ episodes: 0 })) };
    };

    it('T6 has each demonstration answered once by the newest version, then orders DPO on those pairs', () => {
      const { trainer, said } = begun();
      expect(types(said)).toEqual(['demonstrations.request > world']);
      const first = trainer.receive(given([row(1), row(2)], 1));
      expect(bodies(first, 'demonstrations.request')).toEqual([{ iteration: 1, offset: 2 }]);
      const [one] = bodies(first, 'model.request');
      const [two] = bodies(trainer.receive(given([row(3)], 0)), 'model.request');
      expect(one).toMatchObject({
        version: 'M1',
        id: 'demonstrate/M2/0',
        items: [{ id: 'ift-1' }, { id: 'ift-2' }],
      });
      const late = trainer.receive(received('model.result', resultOf(two!, () => 'model 3').body));
      expect(types(late)).toEqual(['demonstration.answered > record']);
      const last = trainer.receive(received('model.result', resultOf(one!, () => 'model').body));
      expect(bodies(last, 'demonstration.answered')).toMatchObject([
        {
          id: '1-ift-1',
          iteration: 1,
          prompt: 'p1',
          demonstration: 'human 1',
          generation: { text: 'model' },
        },
        { id: '1-ift-2', demonstration: 'human 2' },
      ]);
      const [job] = bodies(last, 'model.train');
      expect(job).toMatchObject({ from: 'M1', to: 'M2', objective: 'dpo', datasets: ['spin-M1'] });
      expect(job).not.toHaveProperty('recipe');
    });

    it('T6 asks again what failed, the same, and gives up after that', () => {
      const { trainer } = begun();
      const [ask] = bodies(trainer.receive(given([row(1)], 0)), 'model.request');
      expect(bodies(trainer.receive(failure(ask!.id)), 'model.request')).toEqual([ask]);
      expect(types(trainer.receive(failure(ask!.id)))).toEqual(['training.failed > coordinator']);
    });

    it('T6 without a demonstration trains on nothing rather than waiting for ever', () => {
      const { trainer } = begun();
      expect(types(trainer.receive(given([], 0)))).toEqual(['model.train > model']);
    });

    it('T6 M1 is made as ever', () => {
      const SFT = { stage: 'sft', from: versionOf(0), to: versionOf(1), iteration: 0, episodes: 0 } as const;
      const { trainer } = { trainer: trainerOf({ player: 'spin', spin }) };
      expect(bodies(trainer.receive(request(SFT)), 'model.train')).toMatchObject([{ objective: 'sft' }]);
    });
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
