import { describe, expect, it } from 'vitest';
import { type ConfigPart, resolveConfig } from '../../src/protocol/config.js';
import type { SoliloquyError } from '../../src/protocol/errors.js';

const SECRET = 'sk-live-abc123XYZ';
const big = { url: 'http://127.0.0.1:8000/v1', model: 'm' };
const refusalOf = (endpoint: object, name = 'big'): SoliloquyError => {
  try {
    resolveConfig({ endpoints: { [name]: endpoint } } as ConfigPart);
  } catch (error) {
    return error as SoliloquyError;
  }
  throw new Error('it was taken');
};

describe('an endpoint of the config', () => {
  it('needs no more than an address and a model', () => {
    expect(resolveConfig({ endpoints: { big } }).endpoints.big).toMatchObject({
      ...big,
      api: 'auto',
      concurrency: 8,
      seed: true,
      n: false,
    });
    expect(resolveConfig().endpoints).toEqual({});
    expect(refusalOf({ url: big.url }).message).toContain('endpoints.big.model');
  });

  it.each([
    ['a password in the address', { ...big, url: `http://me:${SECRET}@host/v1` }, 'credentials'],
    ['a key in its query', { ...big, url: `http://host/v1?key=${SECRET}` }, 'keyEnv'],
    ['an address that is none', { ...big, url: SECRET }, 'no URL'],
    ['another protocol', { ...big, url: `ftp://host/${SECRET}` }, 'http'],
    ['a key', { ...big, apiKey: SECRET }, 'keyEnv'],
    ['a token', { ...big, token: SECRET }, 'keyEnv'],
    ['a header', { ...big, authorization: SECRET }, 'keyEnv'],
    ['a key in place of its variable’s name', { ...big, keyEnv: SECRET }, 'environment variable'],
  ])('with %s is refused with the way out, and the error does not repeat it', (_, endpoint, says) => {
    const { code, message, fields } = refusalOf(endpoint);
    expect(code).toBe('config.invalid');
    expect(message).toContain('endpoints.big');
    expect(message).toContain(says);
    expect(message + JSON.stringify(fields)).not.toContain(SECRET);
  });

  it('has a name that can stand in a cast', () => {
    expect(refusalOf(big, 'a,b').message).toContain('endpoints');
    expect(refusalOf(big, 'my-server').message).toContain('letters');
  });
});
