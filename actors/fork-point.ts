/**
 * Where a fork begins: a seq, a version (`M2`: just before it is announced, so that it exists and nothing has been done with it),
 * or the n-th message of a type (`judgement.made:100`). Overrides are looked up in the same pass.
 */
import { identityOf, type OverrideRequest, overridden } from '../src/log/overrides.js';
import { readLog } from '../src/log/reader.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { type BodyOf, type Envelope, MESSAGE_TYPES, type Message } from '../src/protocol/messages.js';

type Test = (envelope: Envelope) => boolean;

function testFor(at: string): Test {
  if (/^\d+$/.test(at)) return ({ seq }) => seq === Number(at);
  const [, type, nth] = /^([a-z.]+):([1-9]\d*)$/.exec(at) ?? [];
  if (type !== undefined && MESSAGE_TYPES.has(type)) {
    let left = Number(nth);
    return (envelope) => envelope.type === type && --left === 0;
  }
  if (/^(M\d+|SFT)$/.test(at))
    return ({ type, body }) => type === 'version.made' && (body as BodyOf<'version.made'>).version === at;
  throw new SoliloquyError('usage', `--at ${at}: no such place`, {
    at,
    fix: 'a seq (1234), a version (M2), or the n-th message of a type (judgement.made:100)',
  });
}

export interface ForkPoint {
  readonly seq: number;
  readonly overrides: BodyOf<'run.forked'>['overrides'];
}

/** `at` absent: the first fact that is overridden. */
export async function findForkPoint(
  file: string,
  at: string | undefined,
  requests: readonly OverrideRequest[],
): Promise<ForkPoint> {
  const test = at === undefined ? null : testFor(at);
  const wanted = new Map(requests.map((request) => [request.seq, request]));
  const overrides: ForkPoint['overrides'] = [];
  let place: number | undefined;
  let count = 0;
  for await (const envelope of readLog(file)) {
    if (test?.(envelope)) place ??= envelope.seq;
    const request = wanted.get(envelope.seq);
    if (request) overrides.push(overrideOf(request, envelope));
    count++;
  }
  if (test && place === undefined) throw notThere(`--at ${at}`, file, count);
  const missing = requests.find(({ seq }) => seq >= count);
  if (missing) throw notThere(`--override ${missing.type}@${missing.seq}`, file, count);
  const first = Math.min(...overrides.map(({ seq }) => seq));
  const seq = place ?? first;
  if (seq === 0)
    throw new SoliloquyError('usage', 'a fork at seq 0 shares nothing', {
      fix: 'begin a new run: soliloquy run',
    });
  if (overrides.length > 0 && seq > first)
    throw new SoliloquyError(
      'usage',
      `--at ${at}: the fact at seq ${first} is shared, so it can't be overridden`,
      {
        at,
        fix: 'leave --at out: the fork then begins at the first overridden fact',
      },
    );
  return { seq, overrides };
}

function overrideOf(
  { type, seq, path, value }: OverrideRequest,
  envelope: Envelope,
): ForkPoint['overrides'][number] {
  const name = `--override ${type}@${seq}.${path}`;
  const fix = 'name the seq of the fact as it stands in messages.jsonl';
  if (envelope.type !== type)
    throw new SoliloquyError('usage', `${name}: seq ${seq} is ${envelope.type}`, { seq, fix });
  const fact = identityOf(envelope);
  if (fact === null)
    throw new SoliloquyError('usage', `${name}: a ${type} has no id by which the fork could know it again`, {
      seq,
      fix,
    });
  const { was } = overridden({ type: envelope.type, body: envelope.body } as Message, path, value);
  return { seq, fact, path, was, value };
}

const notThere = (name: string, file: string, count: number) =>
  new SoliloquyError('usage', `${name} is not in ${file}, which holds ${count} messages`, {
    file,
    fix: `a seq below ${count}, a version that was made, or a message that was sent`,
  });
