/** One iteration through the checkpoint's own chat template: what models are asked and taught, token by token. */
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayRun } from '../../actors/replay.js';
import { resumeRun } from '../../actors/resume.js';
import { createRun } from '../../actors/system.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import { createLanguageModel } from '../../src/pool/language-model.js';
import type { ConfigPart } from '../../src/protocol/config.js';
import { versionId } from '../../src/protocol/ids.js';
import type { BodyOf, MessageType } from '../../src/protocol/messages.js';
import type { Tokenizer } from '../../src/protocol/ports.js';
import { readRunConfig } from '../../src/store/run-config.js';
import {
  chatConfig,
  chatFiles,
  INJECTION,
  type Seen,
  watched,
  writeChatModel,
  writeTrees,
} from '../support/chat-run.js';
import {
  countingClock,
  type Finished,
  finishedRun,
  temporaryFolder,
  tinyConfig,
  writeTinyModel,
} from '../support/tiny-run.js';

/** ChatML with the day in its system text. */
const TEMPLATE =
  "{{ '<|im_start|>system\\nToday is ' + strftime_now('%d %B %Y') + '.<|im_end|>\\n' }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const asked = (text: string) =>
  `<|im_start|>system\nToday is 24 November 2026.<|im_end|>\n<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;

const folder = temporaryFolder();
const model = join(folder.path, 'm0');
const data = join(folder.path, 'trees.jsonl');
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);
const clock = () => {
  const { now } = countingClock();
  return { now: () => new Date(2026, 10, 24, 9).getTime() + now() };
};
/** Both write judgements; the random one's scores make pairs even of what nobody can read. */
const config = (...parts: ConfigPart[]) =>
  chatConfig(model, data, { cast: { judge: 'ensemble:[live,random]' } }, ...parts);

let whole: Finished;
let seen: Seen;
let tokenizer: Tokenizer;
const bodies = <T extends MessageType>(type: T, { envelopes }: Finished = whole): BodyOf<T>[] =>
  envelopes.filter((one) => one.type === type).map(({ body }) => body as BodyOf<T>);

beforeAll(async () => {
  await writeChatModel(model, 'chatml', { template: TEMPLATE });
  writeTrees(data);
  tokenizer = tokenizerOf(chatFiles('chatml'), { bosId: undefined, eosIds: [] });
  const watching = watched();
  seen = watching.seen;
  whole = await finishedRun(config(), out(), { clock: clock(), createModel: watching.createModel });
}, 120_000);
afterAll(() => folder.remove());

const special = (ids: readonly number[]) =>
  ids.filter((id) => ['<|im_start|>', '<|im_end|>'].includes(tokenizer.decode([id]))).length;

describe('a run of a model with a chat template', () => {
  it('goes through it by itself, and config.json says so', () => {
    expect(whole.end.status).toBe('finished');
    const { config: stored, used } = readRunConfig(whole.end.folder.path);
    expect(stored.world).toMatchObject({ format: 'chat', date: '2026-11-24' });
    expect(used.format).toMatchObject({ through: 'chat', chat: '{{prompt}}' });
  });

  it('every request says that its prompts are a user’s messages', () => {
    const requests = bodies('model.request');
    expect(new Set(requests.map(({ id }) => id.split('/')[0]))).toEqual(
      new Set(['invent', 'respond', 'judge']),
    );
    for (const { through, stop } of requests)
      expect({ through, stop }).toEqual({ through: 'chat', stop: [] });
  });

  it('each prompt on the log reached the model as the template writes it, special tokens and all', () => {
    const texts = new Map(seen.sampled.map(({ row }) => [row.key.join(), row.promptIds]));
    const items = bodies('model.request').flatMap(({ items }) => items);
    expect(items.length).toBeGreaterThan(10);
    for (const { prompt, keys } of items)
      for (const key of keys) {
        const ids = texts.get(key.join())!;
        expect(tokenizer.decode(ids)).toBe(asked(prompt));
        expect(special(ids)).toBe(5);
      }
  });

  it('the log-probs on the log are those of the answer after the templated prompt', async () => {
    const checkpoint = await readCheckpoint(whole.end.folder.model('M1'));
    const M1 = versionId('M1');
    const scoring = await createLanguageModel({ workers: 1, backend: 'onnx' });
    try {
      scoring.register(M1, checkpoint);
      const prompts = new Map(
        bodies('model.request').flatMap(({ items }) =>
          items.flatMap(({ keys, prompt }) => keys.map((key) => [key.join(), prompt] as const)),
        ),
      );
      const made = bodies('model.result')
        .flatMap(({ items }) => items.flatMap(({ outputs }) => outputs))
        .slice(0, 12);
      const plain = made.filter(({ key }) => !prompts.get(key.join())!.includes('<|'));
      expect(plain.length).toBeGreaterThan(3);
      const starts = plain.map(({ key }) => tokenizer.encode(asked(prompts.get(key.join())!)));
      const end = tokenizer.tokenId('<|im_end|>')!;
      const scores = await scoring.score(
        M1,
        plain.map(({ ids, finish }, i) => [...starts[i]!, ...ids, ...(finish === 'stop' ? [end] : [])]),
      );
      for (const [i, { logprob }] of plain.entries())
        expect(scores[i]!.subarray(starts[i]!.length).reduce((a, b) => a + b, 0)).toBeCloseTo(logprob!, 3);
    } finally {
      await scoring.close();
    }
  });

  it('a response that holds special tokens is judged as characters: no judge prompt has another structure', () => {
    const judged = seen.sampled.filter(({ row }) => tokenizer.decode(row.promptIds).includes(INJECTION));
    // the apprentice's and the probes': at least one a tree
    expect(judged.length).toBeGreaterThan(9);
    for (const { row } of judged) expect(special(row.promptIds)).toBe(5);
  });

  it('demonstrations and pairs are learnt after the ids that the model is asked with, up to the template’s end', () => {
    const sft = seen.trained.find(({ to }) => to === 'SFT')!;
    const shown = sft.data.objective === 'sft' ? sft.data.rows : [];
    const ift = bodies('seed.given').find(({ split }) => split === 'ift')!.rows as {
      prompt: string;
      response: string;
    }[];
    expect(shown).toHaveLength(ift.length);
    const pairs = seen.trained.find(({ to }) => to === 'M2')!;
    const rows = pairs.data.objective === 'dpo' ? pairs.data.rows : [];
    const made = bodies('pair.made').sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(rows.length).toBe(made.length);
    expect(rows.length).toBeGreaterThan(0);
    const wanted = [
      ...ift.map(({ prompt, response }) => [prompt, response]).sort(([a], [b]) => (a! < b! ? -1 : 1)),
      ...made.flatMap(({ prompt, chosen, rejected }) => [
        [prompt, chosen.text],
        [prompt, rejected.text],
      ]),
    ];
    const sorted = [...shown].sort((a, b) => (tokenizer.decode(a.ids) < tokenizer.decode(b.ids) ? -1 : 1));
    const found = [...sorted, ...rows.flatMap(({ chosen, rejected }) => [chosen, rejected])];
    for (const [i, { ids, targetStart }] of found.entries()) {
      expect(tokenizer.decode(ids.slice(0, targetStart))).toBe(asked(wanted[i]![0]!));
      expect(tokenizer.decode(ids.slice(targetStart))).toBe(`${wanted[i]![1]}<|im_end|>`);
      expect(special(ids)).toBe(6);
    }
  });

  it('its versions keep the template, the tokenizer’s and the generation config', () => {
    for (const version of ['SFT', 'M1', 'M2'])
      for (const name of ['chat_template.jinja', 'tokenizer_config.json', 'generation_config.json'])
        expect(readFileSync(join(whole.end.folder.model(version), name), 'utf8')).toBe(
          readFileSync(join(model, name), 'utf8'),
        );
  });

  it('replay --verify finds all that was derived equal', async () => {
    const replayed = await replayRun({ path: whole.end.folder.path, verify: true });
    expect(replayed.problems).toEqual([]);
    expect(replayed.outcomeHash).toBe(whole.end.outcomeHash);
  });

  it('the same on another day with that date, or cut in the middle and resumed years later, is the same run', async () => {
    const later = { now: () => new Date(2031, 5, 1).getTime() };
    const again = await finishedRun(config({ world: { date: '2026-11-24' } }), out(), { clock: later });
    expect(again.end.outcomeHash).toBe(whole.end.outcomeHash);
    const { log, path } = again.end.folder;
    const text = readFileSync(log, 'utf8');
    truncateSync(log, Buffer.byteLength(text.slice(0, text.indexOf('"type":"version.made"'))));
    expect(statSync(log).size).toBeGreaterThan(0);
    const { run } = await resumeRun({
      path,
      assets: '/nowhere',
      workers: 1,
      backend: 'onnx',
      clock: later,
      versions: {},
    });
    const end = await run!.start();
    expect(end.outcomeHash).toBe(whole.end.outcomeHash);
    expect((await replayRun({ path, verify: true })).problems).toEqual([]);
  }, 120_000);
});

describe('how a run speaks', () => {
  const begun = async (of: ReturnType<typeof config>) => {
    const run = await createRun({
      config: of,
      out: out(),
      assets: '/nowhere',
      workers: 1,
      backend: 'onnx',
      clock: clock(),
      versions: {},
    });
    run.stop();
    await run.start();
    return readRunConfig(run.folder.path);
  };

  it('can be told to be plain', async () => {
    const { config: stored, used } = await begun(config({ world: { format: 'plain' } }));
    expect(stored.world.format).toBe('plain');
    expect(stored.world.date).toBeUndefined();
    expect(used.format).not.toHaveProperty('through');
  });

  it('is plain of itself for a model without a template, and for the microworld', async () => {
    const bare = await writeChatModel(join(folder.path, 'bare'), 'chatml', { template: null });
    expect((await begun(config({ model: bare }))).config.world.format).toBe('plain');
    const micro = await writeTinyModel(join(folder.path, 'micro'));
    expect((await begun(tinyConfig(micro))).config.world.format).toBe('plain');
    await expect(begun(config({ model: bare, world: { format: 'chat' } }))).rejects.toMatchObject({
      code: 'config.invalid',
      fields: { option: 'world.format', fix: expect.stringContaining('plain') },
    });
    await expect(begun(tinyConfig(micro, { world: { format: 'chat' } }))).rejects.toMatchObject({
      code: 'config.invalid',
    });
    const cast = config({ cast: { judge: `checkpoint:${bare}` } });
    await expect(begun(cast)).rejects.toMatchObject({ code: 'config.invalid' });
    expect(existsSync(out())).toBe(false);
  });

  it('SPIN and CREAM go through it too: demonstrations asked, likelihoods of the templated answer', async () => {
    const spin = await finishedRun(config({ cast: { trainer: 'spin' } }), out(), { clock: clock() });
    expect(spin.end.status).toBe('finished');
    expect(bodies('model.request', spin).map(({ through }) => through)).toContain('chat');
    expect(bodies('demonstration.answered', spin).length).toBeGreaterThan(0);
    const judge = 'ensemble:[implicit,implicit:1]';
    const cream = await finishedRun(config({ cast: { trainer: 'cream', judge } }), out(), { clock: clock() });
    expect(cream.end.status).toBe('finished');
    const asks = bodies('likelihood.request', cream);
    const told = new Map(bodies('likelihood.result', cream).map((one) => [one.id, one.items]));
    expect(asks.length).toBeGreaterThan(1);
    for (const { id, through, items } of asks) {
      expect(through).toBe('chat');
      const answer = ({ target }: { target: string }) => tokenizer.encode(`${target}<|im_end|>`).length;
      const plain = items.map((one, i) => ({ one, i })).filter(({ one }) => !one.target.includes('<|'));
      for (const { one, i } of plain) expect(told.get(id)![i]!.tokens).toBe(answer(one));
    }
  }, 120_000);

  it('a judge of another family is asked through its own template', async () => {
    const other = await writeChatModel(join(folder.path, 'llama3'), 'llama3');
    const theirs = tokenizerOf(chatFiles('llama3'), { bosId: undefined, eosIds: [] });
    const { seen, createModel } = watched();
    const cast = config({ cast: { judge: `ensemble:[checkpoint:${other},random]` }, invent: { asks: 2 } });
    const { end, envelopes } = await finishedRun(cast, out(), { clock: clock(), createModel });
    expect(end.status).toBe('finished');
    const judged = seen.sampled.filter(({ version }) => version === `checkpoint:${other}`);
    const items = bodies('model.request', { end, envelopes })
      .filter(({ id }) => id.startsWith('judge/'))
      .flatMap(({ items }) => items);
    expect(items.length).toBeGreaterThan(0);
    const texts = judged.map(({ row }) => theirs.decode(row.promptIds));
    for (const { prompt } of items)
      expect(texts).toContain(
        `<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n${prompt.trim()}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n`,
      );
    const injected = texts.flatMap((text, i) => (text.includes('? <|eot_id|>') ? [judged[i]!.row] : []));
    expect(injected.length).toBeGreaterThan(0);
    const turnEnd = theirs.tokenId('<|eot_id|>');
    for (const { promptIds } of injected) expect(promptIds.filter((id) => id === turnEnd)).toHaveLength(1);
  }, 120_000);
});
