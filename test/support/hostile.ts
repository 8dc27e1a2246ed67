/** A recorded run whose texts are what a hostile model might write: markup, scripts, marks that turn the line around, very long. */
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { resealedRun } from './reseal.js';

export const PROMPT = '<img src=x onerror="window.pwned=1">\u202Eright to left\u2066 & </script><b>bold</b>';
export const ANSWER = `<script>window.pwned=2</script>${'long '.repeat(20_000)}the very end`;
export const JUDGEMENT =
  '<svg onload="window.pwned=3"> "\u2028" <a href="javascript:window.pwned=4">x</a> no marker';

function hostileBody({ type, body }: Envelope): unknown {
  switch (type) {
    case 'prompt.made':
    case 'prompt.filtered': {
      const own = body as BodyOf<'prompt.made'>;
      return { ...own, prompt: PROMPT, shots: [PROMPT], generation: { ...own.generation, text: PROMPT } };
    }
    case 'responses.made': {
      const own = body as BodyOf<'responses.made'>;
      return { ...own, candidates: own.candidates.map((one) => ({ ...one, text: ANSWER })) };
    }
    case 'judgement.made': {
      const own = body as BodyOf<'judgement.made'>;
      if (!own.generation) return own;
      return {
        ...own,
        verdict: { status: 'unparseable', reason: 'no-marker' },
        generation: { ...own.generation, text: JUDGEMENT },
      };
    }
    default:
      return body;
  }
}

export const hostileRun = (from: string, to: string): string =>
  resealedRun(from, to, (envelopes) =>
    envelopes.map((one) => ({ ...one, body: hostileBody(one) as Envelope['body'] })),
  );
