/**
 * How far a run is, as a share of the whole: the stages weighed by the sequences they sample or train.
 */
import type { Progress } from '../../actors/streams.js';
import type { Config } from '../protocol/config.js';

/** A stage of the run and its weight. */
interface Part {
  readonly phase: string;
  readonly weight: number;
}

/** A trained sequence costs about so many sampled ones. */
const TRAINED = 1.5;
/** Share of the asks that pass the filters, for want of knowing. */
const NEW = 0.45;

export function partsOf(config: Config): Part[] {
  const { world, invent, respond, judge, evaluate, sft, dpo, iterations, eft } = config;
  const k = evaluate.judgeSamples;
  const measure = (version: string, against: number): Part => ({
    phase: `measuring ${version}`,
    weight: world.heldOut * (1 + k * (1 + against)) + world.probes * 4 * k,
  });
  const train = (to: string, rows: number, epochs: number): Part => ({
    phase: `training ${to}`,
    weight: rows * epochs * TRAINED,
  });
  const prompts = invent.asks * NEW;
  const parts = [
    measure('M0', 0),
    train('SFT', world.demonstrations, sft.epochs),
    measure('SFT', 1),
    train('M1', world.demonstrations + (eft ? world.evaluations : 0), sft.epochs),
    measure('M1', 1),
  ];
  if (eft && world.name !== 'microworld') parts.splice(3, 0, { phase: 'making EFT', weight: world.heldOut });
  for (let t = 1; t <= iterations; t++)
    parts.push(
      { phase: `iteration ${t}`, weight: invent.asks + prompts * respond.candidates * (1 + judge.samples) },
      train(`M${t + 1}`, prompts * 2, dpo.epochs),
      measure(`M${t + 1}`, 2),
    );
  return parts;
}

/** Share of the whole that is done. */
export function shareDone(
  parts: readonly Part[],
  { phase, closed, asks, step, steps }: Progress,
  measured: number,
): number {
  if (phase === 'finished') return 1;
  const at = parts.findIndex((part) => part.phase === phase);
  if (at < 0) return 0;
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const before = parts.slice(0, at).reduce((sum, { weight }) => sum + weight, 0);
  const within = phase.startsWith('measuring')
    ? measured
    : phase.startsWith('training')
      ? step / (steps || 1)
      : closed / (asks || 1);
  return (before + parts[at]!.weight * Math.min(1, within)) / total;
}
