/**
 * A run as OpenTelemetry spans, one a message, in OTLP/JSON as the file exporter's specification has it: JSON Lines, each line one
 * TracesData. A span's parent is the message that it answers, and it lasts from that message to this one: so a `model.result`
 * lasts as long as the model took. Ids are derived from the run and the seq, so the same log gives the same spans.
 * Attributes follow the gen_ai semantic conventions (development status) where they fit; ours begin with `soliloquy.`.
 */
import { sha256 } from '../log/chain.js';
import { readLog } from '../log/reader.js';
import type { BodyOf, Envelope, Generation } from '../protocol/messages.js';
import { exportFile, type Written } from './export-file.js';

export const OTEL_FILES = ['spans.jsonl'] as const;

type Value =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly boolValue: boolean }
  | { readonly arrayValue: { readonly values: readonly Value[] } };
type Plain = string | number | boolean | readonly (string | number)[] | null | undefined;
type Attributes = Readonly<Record<string, Plain>>;

/** Whole numbers of these names are doubles by the conventions. */
const DOUBLES = /\.(temperature|top_p|value|loss|logprob|score)$/;

function anyValue(name: string, value: Exclude<Plain, null | undefined>): Value {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number')
    return Number.isInteger(value) && !DOUBLES.test(name)
      ? { intValue: String(value) }
      : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => anyValue(name, one)) } };
}

const attributes = (given: Attributes) =>
  Object.entries(given).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : [{ key, value: anyValue(key, value) }],
  );

/** Milliseconds → nanoseconds as a decimal string: they don't fit a double. */
const nanos = (ms: number): string => String(BigInt(Math.round(ms * 1000)) * 1000n);

const SPANS_A_LINE = 256;
const CLIENT = 3;
const INTERNAL = 1;
const ERROR = 2;

const episodeIn = ({ from, to, body }: Envelope): string | undefined =>
  [from, to].find((one) => one.startsWith('episode:'))?.slice('episode:'.length) ??
  (body as { episode?: string }).episode;

const texts = (role: string, list: readonly { text: string; finish?: string }[]): string =>
  JSON.stringify(
    list.map(({ text, finish }) => ({
      role,
      parts: [{ type: 'text', content: text }],
      ...(finish === undefined ? {} : { finish_reason: finish }),
    })),
  );

/** One call of the model: what was asked and what came. */
function callAttributes(request: BodyOf<'model.request'>, { items }: BodyOf<'model.result'>): Attributes {
  const outputs: readonly Generation[] = items.flatMap((item) => item.outputs);
  const { version, sampling, stop } = request;
  return {
    'gen_ai.operation.name': 'text_completion',
    'gen_ai.provider.name': 'soliloquy',
    'gen_ai.output.type': 'text',
    'gen_ai.request.model': version,
    'gen_ai.response.model': version,
    'gen_ai.response.id': request.id,
    'gen_ai.request.temperature': sampling.temperature,
    'gen_ai.request.top_p': sampling.topP,
    'gen_ai.request.max_tokens': sampling.maxNewTokens,
    'gen_ai.request.stop_sequences': stop,
    'gen_ai.request.choice.count': outputs.length,
    'gen_ai.response.finish_reasons': outputs.map(({ finish }) => finish),
    'gen_ai.usage.output_tokens': outputs.reduce((sum, { ids }) => sum + ids.length, 0),
    'gen_ai.input.messages': texts(
      'user',
      request.items.map(({ prompt }) => ({ text: prompt })),
    ),
    'gen_ai.output.messages': texts('assistant', outputs),
    'soliloquy.rng.keys': outputs.map(({ key }) => key.join(':')),
  };
}

/** A judgement is the conventions' evaluation result. */
function evaluationEvent({ at, body }: Envelope) {
  const { id, player, verdict, generation } = body as BodyOf<'judgement.made'>;
  const scored = verdict.status === 'score';
  return {
    timeUnixNano: nanos(at),
    name: 'gen_ai.evaluation.result',
    attributes: attributes({
      'gen_ai.evaluation.name': 'judge',
      'gen_ai.evaluation.score.value': scored ? verdict.score : undefined,
      'gen_ai.evaluation.score.label': scored ? String(verdict.score) : 'unparseable',
      'gen_ai.evaluation.explanation': generation?.text,
      'error.type': scored ? undefined : verdict.reason,
      'soliloquy.judgement': id,
      'soliloquy.player': player,
    }),
  };
}

const NOTED = [
  'version',
  'iteration',
  'loss',
  'step',
  'reason',
  'score',
  'weightsHash',
  'dataHash',
  'rows',
  'objective',
];

function ownAttributes(envelope: Envelope): Attributes {
  const { seq, from, to, type, body } = envelope;
  const noted = Object.entries(body).filter(
    ([name, value]) => NOTED.includes(name) && (typeof value === 'string' || typeof value === 'number'),
  );
  return {
    'soliloquy.seq': seq,
    'soliloquy.from': from,
    'soliloquy.to': to,
    'soliloquy.type': type,
    'soliloquy.episode': episodeIn(envelope),
    ...Object.fromEntries(noted.map(([name, value]) => [`soliloquy.${name}`, value as Plain])),
  };
}

export async function exportOtel(
  run: { readonly name: string; readonly log: string; readonly soliloquy: string },
  dir: string,
): Promise<readonly Written[]> {
  const file = exportFile(dir, OTEL_FILES[0]);
  const resource = {
    attributes: attributes({
      'service.name': 'soliloquy',
      'service.version': run.soliloquy,
      'soliloquy.run': run.name,
    }),
  };
  const scope = { name: 'soliloquy', version: run.soliloquy };
  /** When each message was said, and the requests that wait for their answer. */
  const times: number[] = [];
  const asked = new Map<number, BodyOf<'model.request'>>();
  let traceId = '';
  let spans: object[] = [];
  const put = () => {
    if (spans.length > 0)
      file.write(
        `${JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] })}\n`,
        spans.length,
      );
    spans = [];
  };
  for await (const envelope of readLog(run.log)) {
    const { seq, at, cause, type, body } = envelope;
    if (seq === 0) traceId = sha256(`${run.name} ${JSON.stringify(envelope)}`).slice(0, 32);
    times.push(at);
    if (type === 'model.request') asked.set(seq, body as BodyOf<'model.request'>);
    const request = asked.get(cause);
    const call = request && type === 'model.result' ? request : undefined;
    if (request && (type === 'model.result' || type === 'request.failed')) asked.delete(cause);
    const failed = type.endsWith('.failed') || type === 'worker.crashed' || type === 'message.refused';
    const { reason = '' } = body as { reason?: string };
    spans.push({
      traceId,
      spanId: spanId(seq),
      ...(cause < 0 ? {} : { parentSpanId: spanId(cause) }),
      name: call ? `text_completion ${call.version}` : type,
      kind: call ? CLIENT : INTERNAL,
      startTimeUnixNano: nanos(Math.min(at, times[cause] ?? at)),
      endTimeUnixNano: nanos(at),
      attributes: attributes({
        ...ownAttributes(envelope),
        ...(call ? callAttributes(call, body as BodyOf<'model.result'>) : {}),
        ...(failed ? { 'error.type': type } : {}),
      }),
      events: type === 'judgement.made' ? [evaluationEvent(envelope)] : [],
      status: failed ? { code: ERROR, message: reason } : {},
    });
    if (spans.length >= SPANS_A_LINE) put();
  }
  put();
  return [file.close()];
}

/** 16 hex digits, never zero. */
const spanId = (seq: number): string => (seq + 1).toString(16).padStart(16, '0');
