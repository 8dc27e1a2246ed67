/**
 * The Python peers as one long-lived process: JSON lines over stdin and stdout, one request at a time. Owns what is missing on
 * this machine and how to get it; knows nothing of what is measured.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { packageRoot } from '../../src/cli/package.js';
import { reasonOf, SoliloquyError } from '../../src/protocol/errors.js';

/** Who can be measured, and the libraries each is made of. */
export const PEERS = {
  transformers: { label: 'transformers generate', needs: ['torch', 'transformers'] },
  lean: { label: 'lean torch loop', needs: ['torch'] },
  eager: { label: 'torch eager', needs: ['torch', 'transformers'] },
  trl: { label: 'TRL', needs: ['torch', 'transformers', 'trl'] },
} as const;
export type PeerName = keyof typeof PEERS;
const PEER_NAMES = Object.keys(PEERS) as PeerName[];

export interface Skipped {
  readonly peer: PeerName;
  readonly reason: string;
  readonly fix: string;
}

export interface Peers {
  readonly has: (peer: PeerName) => boolean;
  readonly skipped: readonly Skipped[];
  /** Versions of Python and the libraries; empty where there is no Python. */
  readonly found: Readonly<Record<string, string>>;
  call<T>(op: string, args: Readonly<Record<string, unknown>>, answer: z.ZodType<T>): Promise<T>;
  /** At once, whatever it does. */
  kill(): void;
  close(): Promise<void>;
}

const versionsSchema = z.object({
  found: z.record(z.string(), z.string()),
  missing: z.record(z.string(), z.string()),
});
type Versions = z.infer<typeof versionsSchema>;

const answerSchema = z.discriminatedUnion('ok', [
  z.object({ id: z.number(), ok: z.literal(true), value: z.unknown() }),
  z.object({ id: z.number(), ok: z.literal(false), error: z.string() }),
]);

const INSTALL = (python: string, libraries: readonly string[]): string =>
  `${python} -m pip install ${libraries.join(' ')}   (CPU only: --extra-index-url https://download.pytorch.org/whl/cpu)`;

/** Which peers can't be measured, and why. `versions` null: there is no Python that answers, and `reason` says so. */
export function skippedPeers(python: string, versions: Versions | null, reason = ''): readonly Skipped[] {
  return PEER_NAMES.flatMap((peer) => {
    if (versions === null)
      return [
        {
          peer,
          reason: `no Python at "${python}": ${reason}`,
          fix: 'name one with --python PATH or SOLILOQUY_PYTHON',
        },
      ];
    const lacking = PEERS[peer].needs.filter((library) => !(library in versions.found));
    if (lacking.length === 0) return [];
    const why = lacking
      .map((library) => `${library}: ${versions.missing[library] ?? 'not found'}`)
      .join('; ');
    return [{ peer, reason: why, fix: INSTALL(python, lacking) }];
  });
}

type Call = Peers['call'];

/** Requests in a row; the process's death fails all that wait. */
function talkTo(child: ChildProcessWithoutNullStreams): Call {
  const waiting = new Map<number, (answer: z.infer<typeof answerSchema>) => void>();
  let next = 0;
  let dead: string | null = null;
  let said = '';
  const die = (reason: string) => {
    dead ??= reason;
    for (const [id, settle] of waiting) settle({ id, ok: false, error: dead });
    waiting.clear();
  };
  child.on('error', (error) => die(error.message));
  child.on('close', (code, signal) => die(`it ended (${signal ?? code})${said && `: ${said}`}`));
  child.stdin.on('error', (error) => die(error.message));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = answerSchema.parse(JSON.parse(line));
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  return async (op, args, schema) => {
    const id = next++;
    const answer = await new Promise<z.infer<typeof answerSchema>>((resolve) => {
      if (dead !== null) return resolve({ id, ok: false, error: dead });
      waiting.set(id, resolve);
      child.stdin.write(`${JSON.stringify({ id, op, args })}\n`);
    });
    if (answer.ok) return schema.parse(answer.value);
    throw new SoliloquyError('worker.failed', `the Python peer failed at ${op}: ${answer.error}`, {
      op,
      stderr: said,
    });
  };
}

function spawned(python: string, threads: number): ChildProcessWithoutNullStreams {
  const script = join(packageRoot(), 'bench', 'peers', 'peer.py');
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), PYTHONDONTWRITEBYTECODE: '1' };
  return spawn(python, [script, String(threads)], { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Never fails for want of Python: then every peer is among the skipped. */
export async function startPeers(python: string, threads: number): Promise<Peers> {
  const child = spawned(python, threads);
  const call = talkTo(child);
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const kill = () => void child.kill('SIGKILL');
  const close = async () => {
    child.stdin.end();
    await ended;
  };
  try {
    const versions = await call('versions', {}, versionsSchema);
    const skipped = skippedPeers(python, versions);
    const has = (peer: PeerName) => !skipped.some((one) => one.peer === peer);
    return { has, skipped, found: versions.found, call, kill, close };
  } catch (error) {
    await close();
    const reason = reasonOf(error).replace(/^the Python peer failed at versions: /, '');
    return { has: () => false, skipped: skippedPeers(python, null, reason), found: {}, call, kill, close };
  }
}
