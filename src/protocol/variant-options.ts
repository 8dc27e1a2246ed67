/** Options of the variants that need more than a player's name (docs/variants.md): parts of the config's schema, with their defaults. */
import { z } from 'zod';

export const variantOptions = {
  online: z
    .strictObject({
      /** So many iterations in a row keep the judge and DPO's reference of the first one's start; 1 = off. */
      rounds: z.number().int().min(1).default(1),
    })
    .prefault({}),
  /** Of the trainer `temporal`. */
  temporal: z
    .strictObject({
      /** The past model whose answers are rejected. */
      anchor: z.enum(['M0', 'SFT', 'M1']).default('M1'),
    })
    .prefault({}),
  /** Of the trainer `meta-rewarding`. */
  meta: z
    .strictObject({
      /** How a model compares two judgements: in writing, or by which of the two verdicts it finds likelier. */
      reading: z.enum(['written', 'likelier']).default('written'),
      /** A longer chosen judgement makes no pair (characters); 0 = none is too long. */
      maxChars: z.number().int().min(0).default(0),
    })
    .prefault({}),
};
