/**
 * Online DPO: Guo et al. 2024, "Direct Language Model Alignment from Online AI Feedback" (OAIF). Pairs are made of answers of the
 * current policy and judged by one annotator while the training goes on; the reference stays where it began.
 *
 * Here a training that goes on is several small iterations in a row, `online.rounds` of them: each samples from the newest version
 * and updates it. Through all rounds of a group the judge and DPO's reference are those at the group's start.
 *
 * Departures:
 * - A round has many prompts and several updates; the paper goes online with every batch. Moments of AdamW and the learning rate's
 *   schedule begin anew each round.
 * - The annotator is the version at the group's start (the paper: another, larger model); with a cast that names no moving version,
 *   such as `oracle`, it is that.
 * - The next group starts from, and refers to, what this one made; the paper has one group, whose reference is the SFT model.
 * - N scored answers a prompt, best against worst; the paper has two, compared by the annotator.
 */

/** The iteration in which the group of iteration t ≥ 1 began: M of that number is the group's reference and `live` judge. */
export const groupStart = (t: number, rounds: number): number => t - ((t - 1) % rounds);
