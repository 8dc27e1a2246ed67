/**
 * IPO: Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human Preferences", eq. 17. The loss of
 * a pair is (h − 1/(2τ))², h = [log π(chosen) − log π_ref(chosen)] − [log π(rejected) − log π_ref(rejected)].
 *
 * Departures:
 * - Log-probs are summed over the target tokens, as the paper writes them; TRL's `loss_type="ipo"` takes means.
 * - τ is config.dpo.beta, and learning rate, epochs and batch are config.dpo's: one knob the less, the same comparison.
 */
import type { PairRecipe } from '../../protocol/lm.js';

export const IPO: PairRecipe = { loss: 'ipo', nll: 0, agreement: 1 };
