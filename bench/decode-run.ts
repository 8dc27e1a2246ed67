/**
 * One measure of lora.ts in a process of its own: what decoding costs with the weights inside the graph or fed to it. One line of JSON.
 */
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { createOnnxEngine } from '../src/lm/onnx/engine.js';
import { keyOf } from '../src/rng.js';
import { TOKENS } from '../src/worlds/microworld/vocabulary.js';

const [model, way, rowsText] = process.argv.slice(2) as [string, 'inside' | 'fed', string];
const PROMPT = 40;
const NEW = 20;

const { weights } = await readCheckpoint(model);
const engine = await createOnnxEngine({ mostInside: way === 'inside' ? Number.MAX_SAFE_INTEGER : 0 });
const loaded = await engine.load(weights);
const rowsOf = (maxNewTokens: number) =>
  Array.from({ length: Number(rowsText) }, (_, row) => ({
    promptIds: Array.from({ length: PROMPT }, (_, i) => (7 * row + 13 * i) % TOKENS.length),
    key: keyOf(1, 'decode', row),
    sampling: { temperature: 0.7, topP: 0.9, maxNewTokens },
    stopIds: [],
  }));
const secondsOf = async (maxNewTokens: number): Promise<number> => {
  const began = performance.now();
  await loaded.sample(rowsOf(maxNewTokens));
  return (performance.now() - began) / 1000;
};

const opening = await secondsOf(2); // opens both sessions
const short = await secondsOf(2);
const long = await secondsOf(2 + NEW);
const peak = process.resourceUsage().maxRSS * 1024;
process.stdout.write(
  `${JSON.stringify({ way, rows: Number(rowsText), opening: opening - short, step: (1000 * (long - short)) / NEW, peak })}\n`,
);
