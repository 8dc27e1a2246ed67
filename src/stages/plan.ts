/**
 * Owns: what a version is made of, by the trainer's player: where it starts, on which datasets, by which loss. PAPER.md,
 * "Training" (DPO from the newest version; `sft-positives`, §2.3, from M0 on the seed data and all positives so far); the
 * variants' losses stand in variants/.
 */
import type { TrainerPlayer } from '../protocol/config.js';
import { versionOf } from '../protocol/ids.js';
import type { BodyOf } from '../protocol/messages.js';
import { cream } from './variants/cream.js';
import { IPO } from './variants/ipo.js';
import { iterativeRpo } from './variants/iterative-rpo.js';
import { groupStart } from './variants/online-dpo.js';

export interface PlanOptions {
  readonly player: TrainerPlayer;
  /** Whether M1 is also trained on EFT. */
  readonly eft: boolean;
  /** Of `irpo`: weight of the chosen answer's likelihood. */
  readonly alpha?: number;
  /** Of `command`: whether it does SFT too. */
  readonly commandStages?: 'dpo' | 'all';
  /** Iterations in a row that share DPO's reference (online DPO); absent = 1. */
  readonly rounds?: number;
}

export type Plan = Omit<BodyOf<'model.train'>, 'key' | 'stage' | 'to'>;

const M0 = versionOf(0);
const seedData = (eft: boolean) => (eft ? ['ift', 'eft'] : ['ift']);
const through = (iteration: number) => Array.from({ length: iteration }, (_, i) => versionOf(i + 1));

const BY_COMMAND = { by: 'command' } as const;

/** `consistencies`: of the iteration's episodes, where they have any. */
export function planOf(
  { player, eft, alpha = 1, rounds = 1, commandStages }: PlanOptions,
  { stage, iteration, from }: BodyOf<'training.request'>,
  consistencies: Readonly<Record<string, number>>,
): Plan {
  const bySft = player === 'command' && commandStages === 'all' ? BY_COMMAND : {};
  if (stage === 'sft-baseline') return { from, objective: 'sft', datasets: ['ift'], ...bySft };
  if (stage === 'sft') return { from, objective: 'sft', datasets: seedData(eft), ...bySft };
  const reference = versionOf(groupStart(iteration, rounds));
  const pairs: Plan = {
    from,
    ...(reference !== from && { reference }),
    objective: 'dpo',
    datasets: [`aift-${versionOf(iteration)}`],
  };
  switch (player) {
    case 'dpo':
      return pairs;
    case 'command':
      return { ...pairs, ...BY_COMMAND };
    case 'ipo':
      return { ...pairs, recipe: { ...IPO } };
    case 'irpo':
      return { ...pairs, recipe: { ...iterativeRpo(alpha) } };
    case 'cream':
      return { ...pairs, recipe: { ...cream(consistencies) } };
    case 'meta-rewarding':
      return { ...pairs, datasets: [...pairs.datasets, `judgements-${versionOf(iteration)}`] };
    case 'temporal':
      return stage === 'future' ? pairs : { ...pairs, datasets: [`temporal-${versionOf(iteration)}`] };
    case 'spin':
      return { ...pairs, datasets: [`spin-${versionOf(iteration)}`] };
    case 'sft-positives':
      return {
        from: M0,
        objective: 'sft',
        datasets: [...seedData(eft), ...through(iteration).map((v) => `positives-${v}`)],
      };
    default:
      return player satisfies never;
  }
}
