/**
 * The server's answers, typed. A refusal is an `ApiError` with the server's words and its way out. The token comes with the
 * address that the person opened, is kept for this tab, and goes with requests that change something.
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fix: string | null,
  ) {
    super(message);
  }
}

const TOKEN = 'soliloquy-token';

/** Takes the token out of the address, so that it is in no bookmark. */
export function keepToken(): void {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(TOKEN, found[1]!);
  history.replaceState(null, '', location.pathname + location.search);
}

export const hasToken = (): boolean => sessionStorage.getItem(TOKEN) !== null;

async function answerOf<T>(response: Response): Promise<T> {
  const body = (await response.json()) as T & {
    readonly error?: { readonly message: string; readonly fix: string | null };
  };
  if (response.ok) return body;
  throw new ApiError(response.status, body.error?.message ?? response.statusText, body.error?.fix ?? null);
}

export type Query = Readonly<Record<string, string | number | undefined>>;

export function pathOf(run: string, part: string, query: Query = {}): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [[key, String(value)]],
  );
  const search = new URLSearchParams(given).toString();
  return `/api/runs/${encodeURIComponent(run)}${part === '' ? '' : `/${part}`}${search ? `?${search}` : ''}`;
}

/** `signal`: what nobody waits for any more is given up. */
export async function get<T>(run: string, part: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return answerOf<T>(await fetch(pathOf(run, part, query), signal ? { signal } : {}));
}

export async function getPath<T>(path: string): Promise<T> {
  return answerOf<T>(await fetch(path));
}

export async function post<T>(run: string, part: string, body: unknown): Promise<T> {
  return answerOf<T>(
    await fetch(pathOf(run, part), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-soliloquy-token': sessionStorage.getItem(TOKEN) ?? '',
      },
      body: JSON.stringify(body),
    }),
  );
}
