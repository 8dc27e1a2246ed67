/**
 * The server's door: who may come in, and how a body is read. Keys are compared by their hashes in constant time and are
 * never written anywhere.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { refusal } from './refusal.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Throws 401 unless the request brings the key. */
export function createKeyCheck(key: string | null): (request: IncomingMessage) => void {
  if (key === null) return () => undefined;
  const wanted = digest(key);
  return ({ headers: { authorization = '' } }) => {
    const [, given = ''] = /^Bearer +(.+)$/i.exec(authorization) ?? [];
    if (!timingSafeEqual(digest(given), wanted))
      throw refusal(401, 'a valid API key is needed: Authorization: Bearer …', { code: 'invalid_api_key' });
  };
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
export const isLoopback = (host: string): boolean => LOOPBACK.has(host) || host === '::1';

/** Whether a Host header names this machine. */
export const isOfThisMachine = (host: string): boolean =>
  LOOPBACK.has(host.replace(/:\d+$/, '').toLowerCase());

/** Without a key, only names of this machine: else a web page could reach the server by a name that it lets point here. */
export function checkHost({ headers: { host = '' } }: IncomingMessage): void {
  if (!isOfThisMachine(host))
    throw refusal(403, 'without an API key this server is for this machine only', { code: 'wrong_host' });
}

/** The body's JSON; what is beyond the limit is let go unread. */
export async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  const tooLarge = () =>
    refusal(413, `the body is larger than ${limit} bytes`, { code: 'request_too_large' });
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const text = await new Promise<string>((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= limit) parts.push(part);
      else reject(tooLarge());
    });
    request.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
    const early = () => reject(refusal(400, 'the body ended early'));
    request.on('error', early);
    request.on('close', early);
  });
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw refusal(400, 'the body is not JSON', { code: 'invalid_json' });
  }
}
