/**
 * The world as an addressee: `seed.request` → seed data, as facts in lots, and the known prompts for the generator;
 * `demonstrations.request` → a lot of the demonstrations, for a trainer that needs them.
 */
import type { BodyOf, Envelope, SeedSplit } from '../src/protocol/messages.js';
import type { Addressee, Answer, Job, World } from '../src/protocol/ports.js';

/** Rows in one message. */
const LOT = 100;
const SPLITS: readonly SeedSplit[] = ['ift', 'eft', 'ranked', 'heldOut', 'probes'];

async function seedAnswers(world: World, { seq, from }: Envelope): Promise<readonly Answer[]> {
  const data = await world.seed();
  const answers: Answer[] = [];
  for (const split of SPLITS) {
    const rows = data[split].map((row) => ({ ...row }) as Record<string, unknown>);
    for (let at = 0; at < rows.length; at += LOT)
      answers.push({
        to: 'record',
        cause: seq,
        message: { type: 'seed.given', body: { split, rows: rows.slice(at, at + LOT) } },
      });
  }
  const seed = data.ift.map(({ prompt }) => prompt);
  const heldOut = [...new Set([...data.heldOut, ...data.probes].map(({ prompt }) => prompt))];
  answers.push({ to: 'generator', cause: seq, message: { type: 'prompts.known', body: { seed, heldOut } } });
  const counts = Object.fromEntries(SPLITS.map((split) => [split, data[split].length])) as Record<
    SeedSplit,
    number
  >;
  answers.push({
    to: from,
    cause: seq,
    message: { type: 'seed.ready', body: { counts, notes: [...data.notes] } },
  });
  return answers;
}

/** One lot of the demonstrations once more, for whoever asked. */
async function demonstrationAnswers(world: World, { seq, from, body }: Envelope): Promise<readonly Answer[]> {
  const { ift } = await world.seed();
  const { offset } = body as BodyOf<'demonstrations.request'>;
  const rows = ift.slice(offset, offset + LOT);
  const given = {
    rows: rows.map(({ id, prompt, response }) => ({ id, prompt, response })),
    left: Math.max(0, ift.length - offset - LOT),
  };
  return [{ to: from, cause: seq, message: { type: 'demonstrations.given', body: given } }];
}

export function createWorldAddressee(world: World): Addressee {
  const waiting: Envelope[] = [];
  return {
    address: 'world',
    accept: (envelope) => waiting.push(envelope),
    nextJobs: (): readonly Job[] =>
      waiting.splice(0).map((envelope) => ({
        causes: [envelope.seq],
        start: () =>
          envelope.type === 'demonstrations.request'
            ? demonstrationAnswers(world, envelope)
            : seedAnswers(world, envelope),
      })),
  };
}
