/**
 * How many bytes a run takes at its peak, from its shape alone: a sum of parts, each a formula that says what it counts, so that what
 * is too large can be named. Made to be a little high, and checked against measured runs (bench/lora.ts, docs/lora.md). A larger
 * model, batch, context or more workers never give a smaller estimate, but where weights become too large to be compiled in (MOST_INSIDE).
 * Pure; knows no machine. Owns the limits that the pool and the engines keep to, so that what is counted is what is done.
 */
import type { LoraConfig } from '../protocol/lm.js';
import { type Architecture, sizeOf } from './architecture.js';
import { adapterSize } from './lora.js';

export interface TrainingShape {
  /** Sequences of a micro-batch: rows, or pairs times two. */
  readonly sequences: number;
  /** Micro-batches of a step. */
  readonly microBatches: number;
}

export interface RunShape {
  readonly architecture: Architecture;
  readonly workers: number;
  /** Versions that the run makes or is cast with. */
  readonly versions: number;
  /** Absent: all weights are trained. */
  readonly lora?: LoraConfig;
  readonly trainings: readonly TrainingShape[];
  /** Tokens of the longest sequence. */
  readonly tokens: number;
  /** Rows that a worker samples at once. */
  readonly rows: number;
}

export const MEMORY_PARTS = [
  'process',
  'versions',
  'workers’ copies',
  'training state',
  'activations',
  'scoring',
  'KV cache',
] as const;
export type MemoryPart = (typeof MEMORY_PARTS)[number];

export interface MemoryEstimate {
  readonly bytes: number;
  readonly parts: Readonly<Record<MemoryPart, number>>;
}

const FLOAT = 4;
const MB = 2 ** 20;
/** Node, its heap, the libraries, and what waits to be collected; and a worker thread's own. */
const PROCESS = 280 * MB;
const WORKER = 80 * MB;
/** Models that a worker keeps: src/pool/loaded-models.ts. */
export const KEPT_MODELS = 3;
/** Bytes of weights that they may have together, unless there is only one. */
export const KEPT_BYTES = 2 ** 30;
/** Versions that stay in shared memory, however large, and bytes that do, however many: src/pool/versions.ts. */
export const RESIDENT_VERSIONS = 3;
export const RESIDENT_BYTES = 2 ** 30;
/**
 * Bytes of weights that a decode graph holds inside, packed for its products. Larger ones are fed to it: a quarter slower with 32 rows
 * at 135M parameters, and one copy a worker instead of three (docs/lora.md).
 */
export const MOST_INSIDE = 2 ** 28;
/** Of a kept model's weights: fed to prefill, score and train; inside two decode sessions, one of them packed apart. */
const COPIES = 3;
/** While a session is opened: the graph's file in pieces and whole, and what is parsed of it. */
const OPENING = 3;
/** Lines of one scoring pass at most, and numbers of their logits, unless it is a single sequence: src/lm/onnx/score.ts. */
export const PASS_LINES = 4096;
export const PASS_LOGITS = 2 ** 26;
/** Sequences of one scoring task: src/pool/score-chunks.ts. */
const PASS_SEQUENCES = 32;
/** Rows of logits that stand at once: logits, probabilities, and a slope or a scaled copy. */
const LOGITS = 3;

const kvSize = ({ kvHeads, headDim }: Architecture): number => kvHeads * headDim;

/** Floats of one line in one layer that a backward pass finds again, with as many slopes as stand at once. */
function lineFloats(a: Architecture, tokens: number): number {
  const q = a.heads * a.headDim;
  const attention = 6 * a.hiddenSize + 5 * q + 6 * kvSize(a) + 2 * a.heads * tokens;
  return attention + 6 * a.intermediateSize;
}

export const keptModels = (bytes: number, versions: number): number =>
  Math.min(KEPT_MODELS, versions, Math.max(1, Math.floor(KEPT_BYTES / bytes)));

/** What a worker holds of weights of so many bytes. */
function copiesOf(weights: number, versions: number): number {
  // What `keptModels` comes to, at most: so the estimate grows with the model.
  const kept = Math.min(Math.min(KEPT_MODELS, versions) * weights, Math.max(KEPT_BYTES, weights));
  return weights <= MOST_INSIDE ? COPIES * kept + OPENING * weights : kept;
}

/** One more than stay: the one that is made, or that nobody has collected yet. */
const residentBytes = (weights: number, versions: number): number =>
  Math.min(versions * weights, Math.max((RESIDENT_VERSIONS + 1) * weights, RESIDENT_BYTES));

function trainingState({ architecture, lora, trainings, workers }: RunShape): number {
  const model = sizeOf(architecture);
  const trained = lora ? adapterSize(architecture, lora) : model;
  const slots = Math.max(...trainings.map(({ microBatches }) => microBatches));
  // Two sets of weights, means and squares take turns; a gradient; a slot a micro-batch. A worker fetches and copies its own.
  const shared = (6 + 1 + slots) * trained;
  return FLOAT * (shared + workers * trained);
}

function activations({ architecture, trainings, workers, tokens }: RunShape): number {
  const lines = tokens * Math.max(...trainings.map(({ sequences }) => sequences));
  const layers = architecture.layers * lineFloats(architecture, tokens);
  return FLOAT * workers * lines * (layers + LOGITS * architecture.vocabSize);
}

function scoring({ architecture: a, workers, tokens }: RunShape): number {
  const lines = Math.max(tokens, Math.min(PASS_LINES, PASS_SEQUENCES * tokens));
  const logits = Math.max(tokens * a.vocabSize, Math.min(lines * a.vocabSize, PASS_LOGITS));
  // One layer at a time, nothing is kept for later.
  return FLOAT * workers * (lines * lineFloats(a, tokens) + LOGITS * logits);
}

function kvCache({ architecture: a, workers, tokens, rows }: RunShape): number {
  const lines = 2 * a.layers * kvSize(a) * tokens;
  // The cache, and what prefill hands over to it.
  return FLOAT * workers * rows * (2 * lines + LOGITS * a.vocabSize);
}

export function estimateMemory(shape: RunShape): MemoryEstimate {
  const { architecture, workers, versions } = shape;
  const weights = FLOAT * sizeOf(architecture);
  const parts: MemoryEstimate['parts'] = {
    process: PROCESS + workers * WORKER,
    versions: residentBytes(weights, versions),
    'workers’ copies': workers * copiesOf(weights, versions),
    'training state': trainingState(shape),
    activations: activations(shape),
    scoring: scoring(shape),
    'KV cache': kvCache(shape),
  };
  return { bytes: Object.values(parts).reduce((a, b) => a + b, 0), parts };
}
