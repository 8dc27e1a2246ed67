/** A live run is held, stepped, released, stopped; only where the page has the token and the run is live in that process. */
import { hasToken, post } from './api.js';
import { head, run, tell } from './live.js';

export type Action = 'hold' | 'step' | 'release' | 'stop';

export const canControl = (): boolean => {
  const control = head.value?.control ?? null;
  return control !== null && control !== 'ended' && hasToken();
};

export async function act(action: Action): Promise<void> {
  try {
    head.value = await post(run.value, 'control', { action });
  } catch (error) {
    tell(error);
  }
}
