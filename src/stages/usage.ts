/**
 * Sums of what a server's answers have cost. A cost that isn't known stays unknown where it is all there is; a known one is kept.
 */
import type { Usage } from '../protocol/messages.js';

export function addUsage(before: Usage | undefined, more: Usage): Usage {
  if (before === undefined) return more;
  const cost = before.cost === null ? more.cost : before.cost + (more.cost ?? 0);
  return {
    requests: before.requests + more.requests,
    retries: before.retries + more.retries,
    promptTokens: before.promptTokens + more.promptTokens,
    completionTokens: before.completionTokens + more.completionTokens,
    untold: before.untold + more.untold,
    cost,
    currency: more.currency,
  };
}
