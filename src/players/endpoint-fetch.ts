/**
 * The one way in which bytes of a foreign server come in: whole, of bounded size, no redirect followed (a key stays with the
 * server it is for), and with the key struck out should the server say it back. So nothing behind this can write it anywhere.
 */
import { SoliloquyError } from '../protocol/errors.js';

const BODY_LIMIT = 32 << 20;
/** All that is read of the head. */
const HEADERS = ['content-type', 'retry-after', 'retry-after-ms'];
const STRUCK = '[key]';

/** Strikes a key out of a text, as it stands and as JSON or a URL would write it. */
export function strikeOut(key: string | null): (text: string) => string {
  if (key === null) return (text) => text;
  const forms = new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)]);
  return (text) => [...forms].reduce((left, form) => left.replaceAll(form, STRUCK), text);
}

async function textOf({ body }: Response, limit: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body ?? []) {
    size += part.length;
    if (size > limit)
      throw new SoliloquyError('endpoint.invalid', `the answer is longer than ${limit} bytes`, {
        limit,
        fix: 'ask a server of the OpenAI API',
      });
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

export const guardedFetch =
  (clean: (text: string) => string, limit = BODY_LIMIT): typeof fetch =>
  async (input, init) => {
    const response = await fetch(input, { ...init, redirect: 'manual' });
    const text = clean(await textOf(response, limit));
    const headers = HEADERS.flatMap((name): [string, string][] => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    const { status } = response;
    return new Response(text === '' ? null : text, { status, headers });
  };
