/** Holding a live run: nothing passes, one step passes one message, and the run comes to what it would have come to. */
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayRun } from '../../actors/replay.js';
import { createStaging } from '../../actors/staging.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { runFolder } from '../../src/store/run-folder.js';
import {
  envelopesIn,
  grownLines,
  recordScripted,
  scriptedConfig,
  scriptedRun,
} from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
let model: string;
let outcome: string;
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);
const config = () => scriptedConfig(model, { iterations: 1 });
const turns = async (n: number) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};
/** A step may have to wait for a job that is under way. */
const until = async (holds: () => boolean) => {
  while (!holds()) await turns(1);
};

beforeAll(async () => {
  model = await writeTinyModel(join(folder.path, 'm0'));
  outcome = (await recordScripted(config(), out())).outcomeHash;
});
afterAll(() => folder.remove());

describe('a held run', () => {
  it('lets no message pass, and every step exactly one, which stands on the log at once', async () => {
    const run = await scriptedRun(config(), out());
    const seen: Envelope[] = [];
    run.messages$.subscribe((envelope) => {
      seen.push(envelope);
      if (envelope.seq === 20) run.hold();
    });
    const end = run.start();
    await until(() => seen.length === 21);
    await turns(50);
    expect(seen.length).toBe(21);
    for (let step = 1; step <= 30; step++) {
      run.step();
      await until(() => seen.length === 21 + step);
      await turns(5);
      expect(seen.length).toBe(21 + step);
      expect(grownLines(runFolder(run.folder.path).log)).toBe(21 + step);
    }
    run.release();
    expect((await end).outcomeHash).toBe(outcome);
  });

  it('can be stopped while it is held', async () => {
    const run = await scriptedRun(config(), out());
    run.messages$.subscribe(({ seq }) => {
      if (seq === 10) run.hold();
    });
    const end = run.start();
    await turns(200);
    run.stop();
    expect(await end).toMatchObject({ status: 'stopped', messages: 11 });
  });

  it('wherever it was held and stepped comes to the same outcome, with a log that a replay accepts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 250 }), fc.integer({ min: 0, max: 5 })), {
          maxLength: 6,
        }),
        async (holds) => {
          const run = await scriptedRun(config(), out());
          const due = new Map(holds);
          run.messages$.subscribe(({ seq }) => {
            const steps = due.get(seq);
            if (steps === undefined) return;
            run.hold();
            void (async () => {
              for (let i = 0; i < steps; i++) {
                await turns(2);
                run.step();
              }
              await turns(2);
              run.release();
            })();
          });
          const end = await run.start();
          expect(end).toMatchObject({ status: 'finished', outcomeHash: outcome });
          const { problems } = await replayRun({ path: run.folder.path, verify: true });
          expect(problems).toEqual([]);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('tells the state that each message left behind, as a fold of its log gives it', async () => {
    const run = await scriptedRun(config(), out());
    const told: (string | null)[] = [];
    run.states$.subscribe(({ seq, state }) => {
      expect(seq).toBe(told.length);
      told.push(state);
    });
    await run.start();
    const staging = createStaging(config());
    const folded = (await envelopesIn(run.folder.path)).map((envelope) => staging.take(envelope));
    expect(told).toEqual(folded);
  });
});
