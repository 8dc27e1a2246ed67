/**
 * A run as Parquet tables: messages, judgements, pairs, metrics. One pass over the log; each table holds at most one row group in
 * memory.
 */
import { join } from 'node:path';
import { type BasicType, fileWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import { readLog } from '../log/reader.js';
import { isEndpointAddress } from '../protocol/endpoints.js';
import type { BodyOf, Envelope } from '../protocol/messages.js';
import type { Written } from './export-file.js';

type Cell = string | number | bigint | boolean | Date | object | null;
type Row = Readonly<Record<string, Cell>>;
/** Column → type; a `?` at the end: may be null. */
type Columns = Readonly<Record<string, BasicType | `${BasicType}?`>>;

const TABLES = {
  messages: {
    seq: 'INT32',
    at: 'TIMESTAMP',
    from: 'STRING',
    to: 'STRING',
    cause: 'INT32',
    type: 'STRING',
    iteration: 'INT32?',
    episode: 'STRING?',
    version: 'STRING?',
    body: 'JSON',
  },
  judgements: {
    seq: 'INT32',
    at: 'TIMESTAMP',
    id: 'STRING',
    episode: 'STRING',
    iteration: 'INT32',
    response: 'STRING',
    member: 'INT32',
    sample: 'INT32',
    player: 'STRING',
    version: 'STRING?',
    score: 'DOUBLE?',
    unparseable: 'STRING?',
    text: 'STRING?',
    tokens: 'INT32?',
    logprob: 'DOUBLE?',
    finish: 'STRING?',
    key0: 'INT64?',
    key1: 'INT64?',
  },
  pairs: {
    seq: 'INT32',
    at: 'TIMESTAMP',
    id: 'STRING',
    iteration: 'INT32',
    prompt: 'STRING',
    chosen_response: 'STRING',
    chosen: 'STRING',
    chosen_score: 'DOUBLE',
    chosen_judgements: 'JSON',
    rejected_response: 'STRING',
    rejected: 'STRING',
    rejected_score: 'DOUBLE',
    rejected_judgements: 'JSON',
  },
  metrics: {
    seq: 'INT32',
    at: 'TIMESTAMP',
    version: 'STRING',
    name: 'STRING',
    value: 'DOUBLE?',
    low: 'DOUBLE?',
    high: 'DOUBLE?',
    n: 'INT32',
  },
} as const satisfies Record<string, Columns>;
type TableName = keyof typeof TABLES;

export const PARQUET_FILES: readonly string[] = Object.keys(TABLES).map((name) => `${name}.parquet`);

/** Rows and (roughly) characters of a row group. */
const GROUP_ROWS = 10_000;
const GROUP_CHARS = 8e6;

interface Table {
  add(row: Row, chars: number): void;
  close(): Written;
}

function table(dir: string, name: TableName): Table {
  const columns = Object.entries(TABLES[name] as Columns).map(([column, type]) => ({
    name: column,
    type: type.replace('?', '') as BasicType,
    nullable: type.endsWith('?'),
  }));
  const schema = schemaFromColumnData({ columnData: columns.map((column) => ({ ...column, data: [] })) });
  const writer = new ParquetWriter({
    writer: fileWriter(join(dir, `${name}.parquet`)),
    schema,
    createdBy: 'soliloquy',
  });
  let rows: Row[] = [];
  let chars = 0;
  let count = 0;
  const put = () => {
    if (rows.length === 0) return;
    const columnData = columns.map(({ name }) => ({ name, data: rows.map((row) => row[name]!) }));
    writer.write({ columnData, rowGroupSize: GROUP_ROWS });
    rows = [];
    chars = 0;
  };
  return {
    add(row, size) {
      rows.push(row);
      chars += size;
      count++;
      if (rows.length >= GROUP_ROWS || chars >= GROUP_CHARS) put();
    },
    close() {
      put();
      writer.finish();
      return { name: `${name}.parquet`, rows: count };
    },
  };
}

function messageRow({ seq, at, from, to, cause, type, body }: Envelope): Row {
  const about = body as { iteration?: number; episode?: string; version?: string };
  const episode = [from, to].find((one) => one.startsWith('episode:'))?.slice('episode:'.length);
  return {
    seq,
    at: new Date(at),
    from,
    to,
    cause,
    type,
    iteration: about.iteration ?? null,
    episode: episode ?? about.episode ?? null,
    version: about.version ?? null,
    body,
  };
}

function judgementRow(
  { seq, at }: Envelope,
  { id, response, player, verdict, generation }: BodyOf<'judgement.made'>,
): Row {
  const [, episode, iteration, member, sample] = /^((\d+)-\d+)\/\d+\/(\d+)\.(\d+)$/.exec(id)!;
  return {
    seq,
    at: new Date(at),
    id,
    episode: episode!,
    iteration: Number(iteration),
    response,
    member: Number(member),
    sample: Number(sample),
    player,
    version: generation?.version ?? null,
    score: verdict.status === 'score' ? verdict.score : null,
    unparseable: verdict.status === 'score' ? null : verdict.reason,
    text: generation?.text ?? null,
    tokens: generation && !isEndpointAddress(generation.version) ? generation.ids.length : null,
    logprob: generation?.logprob ?? null,
    finish: generation?.finish ?? null,
    key0: generation ? BigInt(generation.key[0]) : null,
    key1: generation ? BigInt(generation.key[1]) : null,
  };
}

const pairRow = (
  { seq, at }: Envelope,
  { id, iteration, prompt, chosen, rejected }: BodyOf<'pair.made'>,
): Row => ({
  seq,
  at: new Date(at),
  id,
  iteration,
  prompt,
  chosen_response: chosen.response,
  chosen: chosen.text,
  chosen_score: chosen.score,
  chosen_judgements: chosen.judgements,
  rejected_response: rejected.response,
  rejected: rejected.text,
  rejected_score: rejected.score,
  rejected_judgements: rejected.judgements,
});

const metricRows = ({ seq, at }: Envelope, { version, metrics }: BodyOf<'evaluation.made'>): Row[] =>
  metrics.map(({ name, value, interval, n }) => ({
    seq,
    at: new Date(at),
    version,
    name,
    value,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    n,
  }));

export async function exportParquet(run: { readonly log: string }, dir: string): Promise<readonly Written[]> {
  const names = Object.keys(TABLES) as TableName[];
  const tables = Object.fromEntries(names.map((name) => [name, table(dir, name)])) as Record<
    TableName,
    Table
  >;
  for await (const envelope of readLog(run.log)) {
    const { type, body } = envelope;
    const size = JSON.stringify(body).length;
    tables.messages.add(messageRow(envelope), size);
    if (type === 'judgement.made')
      tables.judgements.add(judgementRow(envelope, body as BodyOf<typeof type>), size);
    else if (type === 'pair.made') tables.pairs.add(pairRow(envelope, body as BodyOf<typeof type>), size);
    else if (type === 'evaluation.made')
      for (const row of metricRows(envelope, body as BodyOf<typeof type>)) tables.metrics.add(row, 0);
  }
  return names.map((name) => tables[name].close());
}
