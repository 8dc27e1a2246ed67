/**
 * Who may come in: this machine only, by its own names (a page elsewhere could let its name point here), and for whatever
 * changes something only the page that was opened with this server's token.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import { isOfThisMachine } from '../serve/door.js';

export const refusal = (status: number, message: string, fix?: string): SoliloquyError =>
  new SoliloquyError('usage', message, { status, ...(fix === undefined ? {} : { fix }) });

/** What a request brings, as the schema has it; else 400 with what is wrong. `whole`: the name of all of it. */
export function valid<T>(schema: z.ZodType<T>, given: unknown, whole: 'query' | 'body'): T {
  const found = schema.safeParse(given);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw refusal(400, `${issue?.path.join('.') || whole}: ${issue?.message ?? 'wrong'}`);
}

/** A secret, not a draw of the simulation. */
export const newToken = (): string => randomBytes(24).toString('base64url');

/** A person follows a link to the page, such as from one run's page to its fork's: nothing of the answer reaches the page with the link. */
const isFollowedLink = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' &&
  headers['sec-fetch-mode'] === 'navigate' &&
  headers['sec-fetch-dest'] === 'document' &&
  headers.origin === undefined;

/** Throws 403 for a foreign Host, Origin or page. `isPage`: what is asked for is the page itself, to which others may link. */
export function checkCaller(request: IncomingMessage, isPage = false): void {
  const { host = '', origin } = request.headers;
  if (!isOfThisMachine(host))
    throw refusal(403, 'this server is for this machine only', 'open it as http://127.0.0.1:PORT');
  if (origin !== undefined && origin !== `http://${host}`)
    throw refusal(403, `a page of ${origin} may not ask here`);
  const site = request.headers['sec-fetch-site'];
  if (isPage && isFollowedLink(request)) return;
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    throw refusal(403, 'a page of another site may not ask here');
}

/** Throws 403 unless the request brings the token. */
export function checkToken({ headers }: IncomingMessage, token: string): void {
  const given = Buffer.from(String(headers['x-soliloquy-token'] ?? ''));
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw refusal(
      403,
      'this page was not opened with the token of this server',
      'open the address that `soliloquy inspect` printed, with its #token=…',
    );
}

/** No script, style, picture or frame from elsewhere; texts of models stay texts. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function setPolicy(response: ServerResponse): void {
  response.setHeader('content-security-policy', POLICY);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cache-control', 'no-store');
}
