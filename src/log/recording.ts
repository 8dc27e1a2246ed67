/**
 * A run's log as a source of answers for another run: every answer of its model, by what was asked.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { RngKey, Sampling } from '../protocol/lm.js';
import type { BodyOf, Generation } from '../protocol/messages.js';
import type { Recording } from '../protocol/ports.js';
import { GENESIS } from './chain.js';
import { envelopeOf, readLines } from './reader.js';

const roleOf = (id: string): string => id.slice(0, id.indexOf('/'));
const questionOf = (id: string, { temperature, topP, maxNewTokens }: Sampling, prompt: string): string =>
  JSON.stringify([roleOf(id), temperature, topP, maxNewTokens, prompt]);
const sameKey = (a: RngKey, b: RngKey): boolean => a[0] === b[0] && a[1] === b[1];

/** `name`: what the answers are said to be from. */
export async function readRecording(file: string, name: string): Promise<Recording> {
  const asked = new Map<number, BodyOf<'model.request'>>();
  const answers = new Map<string, Generation[]>();
  let headHash = GENESIS;
  for await (const lines of readLines(file))
    for (const line of lines) {
      headHash = line.head;
      if (!/"type":"model\.(request|result)"/.test(line.line)) continue;
      const envelope = envelopeOf(line);
      if (envelope.type === 'model.request')
        asked.set(envelope.seq, envelope.body as BodyOf<'model.request'>);
      if (envelope.type !== 'model.result') continue;
      const request = asked.get(envelope.cause);
      asked.delete(envelope.cause);
      if (request)
        keep(answers, request, envelope.body as BodyOf<'model.result'>, { run: name, seq: envelope.seq });
    }
  if (answers.size === 0)
    throw new SoliloquyError('data.invalid', `${file} holds no answer of a model`, {
      file,
      fix: 'name a run that has got as far as its first iteration',
    });
  return {
    headHash,
    find({ id, sampling, prompt, key, place }) {
      const known = answers.get(questionOf(id, sampling, prompt));
      return known?.find((one) => sameKey(one.key, key)) ?? known?.[place];
    },
  };
}

function keep(
  answers: Map<string, Generation[]>,
  { id, sampling, items }: BodyOf<'model.request'>,
  result: BodyOf<'model.result'>,
  recorded: NonNullable<Generation['recorded']>,
): void {
  result.items.forEach(({ outputs }, i) => {
    const question = questionOf(id, sampling, items[i]!.prompt);
    const own = answers.get(question) ?? [];
    answers.set(question, own);
    own.push(...outputs.map((output) => ({ ...output, recorded })));
  });
}
