/**
 * One error class. Code matches on `code`, people read `message`, and `fix` says the way out.
 */
export type ErrorCode =
  | 'config.invalid'
  | 'cast.invalid'
  | 'data.unreadable'
  | 'data.invalid'
  | 'checkpoint.missing'
  | 'checkpoint.invalid'
  | 'checkpoint.unsupported'
  | 'tokenizer.invalid'
  | 'backend.unavailable'
  | 'worker.failed'
  | 'model.failed'
  | 'trainer.failed'
  | 'endpoint.away'
  | 'endpoint.refused'
  | 'endpoint.invalid'
  | 'memory.short'
  | 'run.exists'
  | 'run.missing'
  | 'run.locked'
  | 'runs.incomparable'
  | 'log.invalid'
  | 'replay.diverged'
  | 'log.write'
  /** The Hub, or its cache, can't give what is asked for. */
  | 'hub.unavailable'
  /** What the Hub gave is not what it should be. */
  | 'hub.invalid'
  | 'protocol.violation'
  | 'usage';

export class SoliloquyError extends Error {
  override readonly name = 'SoliloquyError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** `fix`: what the reader can do; the rest: the facts, for programs. */
    readonly fields: Readonly<Record<string, unknown>> & { readonly fix?: string } = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

export const isSoliloquyError = (error: unknown): error is SoliloquyError => error instanceof SoliloquyError;

/** What to print of an unknown thrown value. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
