/**
 * Messages a second: real machines, real sequencer steps and a real log on disk; what the model would say is scripted.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineRole } from '../actors/role.js';
import { episodeMachine } from '../machines/episode.js';
import { openLog } from '../src/log/writer.js';
import { episodeId, judgementId, responseId, versionOf } from '../src/protocol/ids.js';
import {
  type Envelope,
  FORMAT_VERSION,
  type Generation,
  type Message,
  type Received,
} from '../src/protocol/messages.js';

const EPISODES = 300;
const generation = (text: string): Generation => ({
  text,
  ids: [1, 2, 3, 4, 5, 6, 7, 8],
  logprob: -3,
  finish: 'stop',
  key: [1, 2],
  version: versionOf(1),
});

/** The messages that one episode hears: prompt, 4 answers, 12 judgements. */
function* script(ask: number): Generator<Message> {
  const episode = episodeId(1, ask);
  yield {
    type: 'prompt.made',
    body: {
      episode,
      iteration: 1,
      prompt: 'name two animals',
      shots: ['a', 'b', 'c'],
      generation: generation('name two animals'),
    },
  };
  const candidates = [0, 1, 2, 3].map((c) => ({ ...generation(`cat dog ${c}`), id: responseId(episode, c) }));
  yield { type: 'responses.made', body: { episode, candidates } };
  let left = 12;
  for (const { id } of candidates)
    for (let sample = 0; sample < 3; sample++)
      yield {
        type: 'judgement.made',
        body: {
          id: judgementId(id, 0, sample),
          response: id,
          player: 'live',
          verdict: { status: 'score', score: (left * 7) % 6 },
          generation: generation('relevant yes score : three'),
          left: --left,
        },
      };
}

export function measureMessages(): number {
  const dir = mkdtempSync(join(tmpdir(), 'soliloquy-bench-'));
  const log = openLog(join(dir, 'messages.jsonl'));
  let seq = 0;
  const append = (from: Envelope['from'], to: Envelope['to'], message: Message) =>
    log.append({
      v: FORMAT_VERSION,
      seq: seq++,
      at: 0,
      from,
      to,
      cause: seq - 1,
      type: message.type,
      body: message.body,
    });
  const began = performance.now();
  for (let ask = 0; ask < EPISODES; ask++) {
    const address = `episode:${episodeId(1, ask)}` as const;
    const role = machineRole(episodeMachine, { id: episodeId(1, ask), iteration: 1, maxScore: 5 });
    for (const message of script(ask)) {
      append('judge', address, message);
      for (const said of role.receive({ ...message, seq: seq - 1 } as Received))
        append(address, said.to, said.message);
    }
  }
  log.sync();
  const rate = seq / ((performance.now() - began) / 1000);
  log.close();
  rmSync(dir, { recursive: true });
  return rate;
}
