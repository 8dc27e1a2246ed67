/**
 * The servers that a config names, made when they are first asked. Keys come from the environment, once, and are checked before
 * anything is written; they go to the client that sends them and nowhere else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EndpointOptions } from '../src/players/endpoint-client.js';
import { modelCasts } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import type { EndpointConfig, Endpoints } from '../src/protocol/endpoints.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { Clock, Endpoint, Timer } from '../src/protocol/ports.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EndpointMeans {
  readonly clock: Clock;
  /** Default: the system's. */
  readonly timer?: Timer;
  /** Default: the process's. */
  readonly env?: Environment;
}

export interface Servers {
  of(name: string): Endpoint;
  /** Ends all that is under way. */
  close(): void;
}

export const systemTimer: Timer = {
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
};

/** Endpoints that are cast. */
export const castEndpoints = ({ cast }: Pick<Config, 'cast'>): readonly string[] => [
  ...new Set(modelCasts(cast).flatMap((one) => (one.player === 'endpoint' ? [one.name] : []))),
];

/** Refuses a cast endpoint that the config doesn't have. */
export function checkEndpoints({ cast, endpoints }: Pick<Config, 'cast' | 'endpoints'>): void {
  const missing = castEndpoints({ cast }).find((name) => !Object.hasOwn(endpoints, name));
  if (missing === undefined) return;
  const known = Object.keys(endpoints);
  throw new SoliloquyError(
    'cast.invalid',
    `endpoint:${missing} is cast, and the config names no such endpoint`,
    {
      endpoint: missing,
      fix: `${known.length > 0 ? `cast one of ${known.join(', ')}, or ` : ''}name it: --set endpoints.${missing}.url=http://127.0.0.1:8000/v1 --set endpoints.${missing}.model=NAME`,
    },
  );
}

/** The key, or null where none is asked for. Errors name the variable, never what it holds. */
function keyIn(env: Environment, name: string, { keyEnv }: EndpointConfig): string | null {
  if (keyEnv === undefined) return null;
  const key = env[keyEnv]?.trim() ?? '';
  const wrong =
    key === '' ? 'is empty' : /^[\x21-\x7e]+$/.test(key) ? null : 'holds more than the characters of a key';
  if (wrong === null) return key;
  throw new SoliloquyError(
    'config.invalid',
    `endpoints.${name}.keyEnv: the environment variable ${keyEnv} ${wrong}`,
    {
      option: `endpoints.${name}.keyEnv`,
      fix: `set ${keyEnv} to the key of the server`,
    },
  );
}

/** The client's library is loaded with the first question: most programs ask no server. */
function whenAsked(options: EndpointOptions): Endpoint {
  let made: Promise<Endpoint> | undefined;
  return {
    async ask(question) {
      made ??= import('../src/players/endpoint-client.js').then(({ createEndpoint }) =>
        createEndpoint(options),
      );
      return (await made).ask(question);
    },
  };
}

/** `cast`: those whose keys must be there. */
export function createServers(endpoints: Endpoints, cast: readonly string[], means: EndpointMeans): Servers {
  const { clock, timer = systemTimer, env = process.env } = means;
  const closing = new AbortController();
  const made = new Map<string, Endpoint>();
  for (const name of cast) keyIn(env, name, endpoints[name]!);
  return {
    of(name) {
      const known = made.get(name);
      if (known) return known;
      const config = endpoints[name];
      if (!config)
        throw new SoliloquyError(
          'cast.invalid',
          `endpoint:${name} is asked, and the config names no such endpoint`,
          {
            fix: `name it: --set endpoints.${name}.url=… --set endpoints.${name}.model=…`,
          },
        );
      const key = keyIn(env, name, config);
      const endpoint = whenAsked({ name, config, key, clock, timer, signal: closing.signal });
      made.set(name, endpoint);
      return endpoint;
    },
    close: () => closing.abort(),
  };
}
