/** All six machines together, under failures, babble, pauses and answers in any order: what holds whatever happens. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeHash } from '../../src/log/outcome.js';
import { responseId } from '../../src/protocol/ids.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { parseVerdict } from '../../src/stages/judge.js';
import { type LoopOptions, ofKind, runLoop } from '../support/loop.js';
import { template } from '../support/messages.js';

const judges = ['live', 'random', 'oracle', 'ensemble:[live,random]', 'ensemble:[live,frozen:M1,constant:3]'];
const options = fc.record({
  seed: fc.nat(),
  order: fc.nat(),
  asks: fc.integer({ min: 1, max: 14 }),
  credit: fc.integer({ min: 1, max: 20 }),
  asksPerRequest: fc.integer({ min: 1, max: 6 }),
  candidates: fc.integer({ min: 2, max: 4 }),
  samples: fc.integer({ min: 1, max: 3 }),
  iterations: fc.integer({ min: 0, max: 2 }),
  redraws: fc.integer({ min: 0, max: 2 }),
  retries: fc.integer({ min: 0, max: 2 }),
  judge: fc.constantFrom(...judges),
  failing: fc.constantFrom(0, 0.2, 0.6),
  babble: fc.constantFrom(0, 0.3, 1),
  pauses: fc.integer({ min: 0, max: 3 }),
});
const always = (claim: (log: readonly Envelope[], options: LoopOptions) => void, numRuns = 20) =>
  fc.assert(
    fc.property(options, (given) => claim(runLoop(given), given)),
    { numRuns },
  );
const idsOf = (
  log: readonly Envelope[],
  type: 'prompt.made' | 'prompt.filtered' | 'prompt.failed' | 'pair.withheld',
) => ofKind(log, type).map(({ episode }) => episode as string);
const closedIn = (log: readonly Envelope[]) => [
  ...ofKind(log, 'pair.made').map(({ id }) => id as string),
  ...idsOf(log, 'pair.withheld'),
];

describe('the loop', () => {
  it('meets everything that can happen, so that the claims below are about something', () => {
    const calm = [0, 1, 2].flatMap((seed) => runLoop({ seed, asks: 20, babble: 0.7, samples: 1, pauses: 3 }));
    const rough = [3, 4, 5].flatMap((seed) =>
      runLoop({
        seed,
        asks: 14,
        asksPerRequest: 2,
        failing: 0.5,
        retries: 1,
        judge: 'ensemble:[live,random]',
      }),
    );
    const log = [...calm, ...rough];
    const reasons = new Set(ofKind(log, 'pair.withheld').map(({ reason }) => reason));
    expect([...reasons].sort()).toEqual(['failed', 'filtered', 'tie', 'too-few', 'unparseable']);
    for (const type of [
      'pair.made',
      'run.pause',
      'prompt.failed',
      'responses.failed',
      'judgements.failed',
      'run.finished',
    ] as const)
      expect(ofKind(log, type).length, type).toBeGreaterThan(0);
    expect(ofKind(log, 'model.request').some(({ id }) => id.endsWith('.1'))).toBe(true);
  });

  it('G5 never starves: it ends, whatever the credit and the lots, and refuses nothing', () =>
    always((log) => {
      expect(['run.finished', 'run.failed']).toContain(log.at(-1)!.type);
      expect(ofKind(log, 'message.refused')).toEqual([]);
    }, 60));

  it('C3 ends exactly once, with all versions or with a reason', () =>
    always((log, { iterations }) => {
      const ends = log.filter(({ type }) => type === 'run.finished' || type === 'run.failed');
      expect(ends).toHaveLength(1);
      if (ends[0]!.type === 'run.failed')
        expect((ends[0]!.body as BodyOf<'run.failed'>).reason).toBe('broken');
      else
        expect(ofKind(log, 'run.finished')[0]!.versions).toEqual([
          'M0',
          'SFT',
          ...Array.from({ length: iterations! + 1 }, (_, t) => `M${t + 1}`),
        ]);
    }));

  it('E2 an episode ends exactly once, whatever fails', () =>
    always((log) => {
      const opened = [
        ...idsOf(log, 'prompt.made'),
        ...idsOf(log, 'prompt.filtered'),
        ...idsOf(log, 'prompt.failed'),
      ];
      const closed = closedIn(log);
      expect(new Set(closed).size).toBe(closed.length);
      if (log.at(-1)!.type === 'run.finished') expect([...closed].sort()).toEqual([...opened].sort());
    }, 60));

  it('G1 every ask is asked once and ends once, before the report', () =>
    always((log, { asks }) => {
      for (const { iteration, episodes, filtered, failed } of ofKind(log, 'prompts.made')) {
        const of = <T extends { iteration: number }>(found: T[]) =>
          found.filter((one) => one.iteration === iteration).length;
        const made = of(ofKind(log, 'prompt.made'));
        expect([episodes, made + filtered + failed]).toEqual([asks, asks]);
        expect([filtered, failed]).toEqual([
          of(ofKind(log, 'prompt.filtered')),
          of(ofKind(log, 'prompt.failed')),
        ]);
      }
      const asked = ofKind(log, 'model.request').filter(({ id }) => id.startsWith('invent/'));
      const items = new Map(asked.map(({ id, items }) => [id, items.map((item) => item.id)]));
      expect(new Set([...items.values()].flat()).size).toBe([...items.values()].flat().length);
    }));

  it('G2 open episodes never exceed the credit', () =>
    always((log, { credit }) => {
      const open = new Set<string>();
      for (const { type, body } of log) {
        if (type === 'model.request') {
          const { id, items } = body as BodyOf<'model.request'>;
          if (id.startsWith('invent/')) for (const item of items) open.add(item.id);
        }
        if (type === 'pair.made') open.delete((body as BodyOf<'pair.made'>).id);
        if (type === 'pair.withheld') open.delete((body as BodyOf<'pair.withheld'>).episode);
        expect(open.size).toBeLessThanOrEqual(credit!);
      }
    }));

  it('G4 no prompt is made twice, nor a known one', () =>
    always((log) => {
      const made = ofKind(log, 'prompt.made').map(({ prompt }) => prompt);
      const known = ['name cat', 'sort dog', 'add two', ...made];
      expect(new Set(known).size).toBe(known.length);
    }));

  it('T1 training starts only when every episode of the iteration is closed', () =>
    always((log, { asks }) => {
      let closed = 0;
      for (const { type, body } of log) {
        if (type === 'prompts.request') closed = 0;
        if (type === 'pair.made' || type === 'pair.withheld') closed++;
        if (type === 'model.train' && (body as BodyOf<'model.train'>).stage === 'iteration')
          expect(closed).toBe(asks);
      }
    }));

  it('T2 credit given back never exceeds what closed', () =>
    always((log) => {
      let balance = 0;
      for (const { type, body } of log) {
        if (type === 'pair.made' || type === 'pair.withheld') balance++;
        if (type === 'prompts.credit') balance -= (body as BodyOf<'prompts.credit'>).episodes;
        expect(balance).toBeGreaterThanOrEqual(0);
      }
    }));

  it('C2 every version is measured before the next is trained', () =>
    always((log) => {
      const steps = log.flatMap(({ type, body }) =>
        type === 'evaluation.made'
          ? [`= ${(body as BodyOf<'evaluation.made'>).version}`]
          : type === 'version.made'
            ? [`+ ${(body as BodyOf<'version.made'>).version}`]
            : [],
      );
      expect(steps[0]).toBe('= M0');
      steps.forEach((step, i) => {
        if (step.startsWith('+') && i + 1 < steps.length) expect(steps[i + 1]).toBe(step.replace('+', '='));
      });
    }));

  it('R1 each request for responses ends once, with N answers or a failure', () =>
    always((log, { candidates }) => {
      const asked = ofKind(log, 'responses.request').map(({ episode }) => episode);
      const made = ofKind(log, 'responses.made');
      for (const { episode, candidates: own } of made)
        expect(own.map(({ id }) => id)).toEqual(
          Array.from({ length: candidates! }, (_, c) => responseId(episode, c)),
        );
      const ended = [...made, ...ofKind(log, 'responses.failed')].map(({ episode }) => episode);
      expect(new Set(ended).size).toBe(ended.length);
      if (log.at(-1)!.type === 'run.finished') expect([...ended].sort()).toEqual([...asked].sort());
    }));

  it('R3 no random key is used for two things', () =>
    always((log) => {
      const keys = new Map<string, string>();
      for (const { id, items } of ofKind(log, 'model.request'))
        for (const item of items)
          item.keys.forEach((key, i) => {
            const owner = `${id} ${item.id} ${i}`;
            expect(keys.get(String(key)) ?? owner).toBe(owner);
            keys.set(String(key), owner);
          });
    }));

  it('J1 an episode gets all its judgements or one failure, never both', () =>
    always((log) => {
      const judged = new Set(ofKind(log, 'judgement.made').map(({ response }) => response.split('/')[0]!));
      const failed = ofKind(log, 'judgements.failed').map(({ episode }) => episode as string);
      expect(new Set(failed).size).toBe(failed.length);
      expect(failed.filter((one) => judged.has(one))).toEqual([]);
    }));

  it('J2 the judgements of an episode come together, and `left` counts down to 0', () =>
    always((log) => {
      const made = ofKind(log, 'judgement.made');
      for (let at = 0; at < made.length; ) {
        const count = made[at]!.left + 1;
        const own = made.slice(at, at + count);
        expect(own.map(({ left }) => left)).toEqual(Array.from({ length: count }, (_, i) => count - 1 - i));
        expect(new Set(own.map(({ response }) => response.split('/')[0])).size).toBe(1);
        expect(own.map(({ id }) => id)).toEqual([...own.map(({ id }) => id)].sort());
        at += count;
      }
    }));

  it("J3 a judgement that can't be read is never a score: verdicts are what their texts say", () =>
    always((log) => {
      for (const { verdict, generation } of ofKind(log, 'judgement.made'))
        if (generation) expect(verdict).toEqual(parseVerdict(generation.text, template));
    }));

  it('E3 a pair is the highest mean against the lowest, never the same text; E4 the unread are in none', () =>
    always((log) => {
      const verdicts = ofKind(log, 'judgement.made');
      for (const { id, chosen, rejected } of ofKind(log, 'pair.made')) {
        const means = new Map<string, number>();
        for (const response of new Set(
          verdicts.map((one) => one.response).filter((one) => one.startsWith(`${id}/`)),
        )) {
          const scores = verdicts.flatMap(({ response: own, verdict }) =>
            own === response && verdict.status === 'score' ? [verdict.score] : [],
          );
          if (scores.length > 0) means.set(response, scores.reduce((a, b) => a + b, 0) / scores.length);
        }
        expect(chosen.score).toBeCloseTo(Math.max(...means.values()), 9);
        expect(rejected.score).toBeCloseTo(Math.min(...means.values()), 9);
        expect(means.get(chosen.response)).toBe(chosen.score);
        expect(means.get(rejected.response)).toBe(rejected.score);
        expect(chosen.text.trim()).not.toBe(rejected.text.trim());
      }
    }));

  it('E5 a pair names the seqs of all judgements behind it', () =>
    always((log) => {
      for (const { chosen, rejected } of ofKind(log, 'pair.made'))
        for (const { response, judgements } of [chosen, rejected]) {
          const own = log.filter(
            ({ type, body }) =>
              type === 'judgement.made' && (body as BodyOf<'judgement.made'>).response === response,
          );
          expect(judgements).toEqual(own.map(({ seq }) => seq));
        }
    }));

  it('G6 the order in which answers come changes no fact: prompts, verdicts, pairs', () =>
    fc.assert(
      fc.property(options, fc.nat(), (given, order) => {
        const facts = (log: readonly Envelope[]) => {
          const hash = outcomeHash();
          for (const envelope of log) hash.add(envelope);
          return [log.at(-1)!.type, hash.facts, hash.digest()];
        };
        expect(facts(runLoop({ ...given, order, pauses: 0 }))).toEqual(facts(runLoop(given)));
      }),
      { numRuns: 30 },
    ));

  it('A2 pauses lose nothing: the same answers with and without them give the same facts', () =>
    fc.assert(
      fc.property(options, (given) => {
        const one = { ...given, asks: 4, asksPerRequest: 4, credit: 20, iterations: 1 };
        const facts = (pauses: number) => {
          const log = runLoop({ ...one, pauses });
          return [
            ...ofKind(log, 'judgement.made').map(({ id, verdict }) => `${id} ${JSON.stringify(verdict)}`),
            ...closedIn(log),
            log.at(-1)!.type,
          ].sort();
        };
        expect(facts(3)).toEqual(facts(0));
      }),
      { numRuns: 40 },
    ));
});
