/**
 * A server as an addressee: `model.request` → `model.result`. As many questions are under way as the config lets requests be at
 * once; answers come back in start order. A question that the server can't answer is a `request.failed`; a server that refuses or
 * stays away is an error of the run, which stops and can be gone on with: nothing of it stands on the log.
 */
import { type EndpointAddress, endpointAddress } from '../protocol/endpoints.js';
import { isSoliloquyError, reasonOf } from '../protocol/errors.js';
import type { BodyOf, Envelope } from '../protocol/messages.js';
import type { Addressee, Answer, Endpoint, Job } from '../protocol/ports.js';

export interface EndpointPlayerOptions {
  readonly name: string;
  /** Questions under way at once. */
  readonly window: () => number;
  /** Called when there is something to ask; never in a replay. */
  readonly endpoint: (name: string) => Endpoint;
}

/** Whether an error is of all that is asked of a server: no fact of one question, then. */
export const stopsRun = (error: unknown): boolean =>
  !isSoliloquyError(error) || error.code !== 'endpoint.invalid';

type Request = Pick<Envelope, 'seq' | 'from'> & { readonly body: BodyOf<'model.request'> };

export function createEndpointPlayer({ name, window, endpoint }: EndpointPlayerOptions): Addressee {
  const address: EndpointAddress = endpointAddress(name);
  const waiting: Request[] = [];
  let underWay = 0;
  const job = (request: Request): Job => {
    underWay++;
    return {
      causes: [request.seq],
      start: async () => [await answer(endpoint(name), request)],
      delivered: () => underWay--,
    };
  };
  return {
    address,
    accept({ seq, from, type, body }) {
      if (type === 'model.request') waiting.push({ seq, from, body: body as BodyOf<'model.request'> });
    },
    nextJobs() {
      const jobs: Job[] = [];
      while (waiting.length > 0 && underWay < window()) jobs.push(job(waiting.shift()!));
      return jobs;
    },
  };
}

async function answer(endpoint: Endpoint, { seq, from, body }: Request): Promise<Answer> {
  const { id, items } = body;
  try {
    const { outputs, usage } = await endpoint.ask(body);
    const made = items.map((item, i) => ({ id: item.id, outputs: [...outputs[i]!] }));
    return { to: from, cause: seq, message: { type: 'model.result', body: { id, items: made, usage } } };
  } catch (error) {
    if (stopsRun(error)) throw error;
    const reason = reasonOf(error);
    return { to: from, cause: seq, message: { type: 'request.failed', body: { id, reason } } };
  }
}
