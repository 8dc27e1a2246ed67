/** An addressee whose jobs are settled by hand. */
import type { Address, Envelope } from '../../src/protocol/messages.js';
import type { Addressee, Answer, Job } from '../../src/protocol/ports.js';

export interface OpenJob {
  readonly envelope: Envelope;
  readonly delivered: boolean;
  finish(answers: readonly Omit<Answer, 'cause'>[]): void;
  fail(error: unknown): void;
}

export interface FakeAddressee extends Addressee {
  /** In start order. */
  readonly jobs: readonly OpenJob[];
}

export function fakeAddressee(
  address: Address,
  onStart: (envelope: Envelope) => void = () => {},
): FakeAddressee {
  const waiting: Envelope[] = [];
  const jobs: OpenJob[] = [];
  const jobFor = (envelope: Envelope): Job => {
    let resolve: (answers: readonly Answer[]) => void = () => {};
    let reject: (error: unknown) => void = () => {};
    const answers = new Promise<readonly Answer[]>((res, rej) => {
      resolve = res;
      reject = rej;
    });
    let delivered = false;
    jobs.push({
      envelope,
      get delivered() {
        return delivered;
      },
      finish: (said) => resolve(said.map((one) => ({ ...one, cause: envelope.seq }))),
      fail: reject,
    });
    return {
      causes: [envelope.seq],
      start() {
        onStart(envelope);
        return answers;
      },
      delivered: () => {
        delivered = true;
      },
    };
  };
  return {
    address,
    jobs,
    accept: (envelope) => waiting.push(envelope),
    nextJobs: () => waiting.splice(0).map(jobFor),
  };
}

/** Lets every promise that can go on go on. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
