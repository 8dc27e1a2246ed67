/**
 * What a request gets that can't be served: an HTTP status and OpenAI's error JSON. A failure of our own is told to the log,
 * not to the caller.
 */
import { isSoliloquyError, SoliloquyError } from '../protocol/errors.js';

export interface RefusalDetails {
  /** The field of the request that is wrong. */
  readonly param?: string;
  readonly code?: string;
}

export const refusal = (status: number, message: string, details: RefusalDetails = {}): SoliloquyError =>
  new SoliloquyError('usage', message, { status, ...details });

export interface ErrorAnswer {
  readonly status: number;
  readonly body: {
    readonly error: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string | null;
    };
  };
}

const typeOf = (status: number): string => {
  if (status === 401 || status === 403) return 'authentication_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
};

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function statusOf(error: unknown): number {
  if (!isSoliloquyError(error)) return 500;
  if (typeof error.fields.status === 'number') return error.fields.status;
  return error.code === 'data.invalid' ? 400 : 500;
}

export function errorAnswer(error: unknown): ErrorAnswer {
  const status = statusOf(error);
  const known = isSoliloquyError(error) && (status < 500 || 'status' in error.fields) ? error : null;
  return {
    status,
    body: {
      error: {
        message: known?.message ?? 'the server failed; its log says why',
        type: typeOf(status),
        param: text(known?.fields.param),
        code: text(known?.fields.code),
      },
    },
  };
}
