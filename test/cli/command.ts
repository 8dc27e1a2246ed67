/** The real built program as a child process. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = join(import.meta.dirname, '../..');
const main = join(root, 'dist/src/cli/main.js');

if (!existsSync(main)) execFileSync('npm', ['run', '--silent', 'build'], { cwd: root });

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What a caller sees who waits for the process to end by itself. */
export const soliloquy = (...args: readonly string[]): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });

/** Its JSON, of a run the last line; it must have gone well. */
export async function soliloquyJson<T>(...args: readonly string[]): Promise<T> {
  const { code, out, err } = await soliloquy(...args, '--json');
  if (code !== 0) throw new Error(`soliloquy ${args.join(' ')} ended with ${code}: ${err}`);
  return JSON.parse(out.trimEnd().split('\n').at(-1)!) as T;
}

/** A folder that goes when the file's tests are over. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'soliloquy-cli-'));
  // A program that a failed test has left behind may still be writing.
  afterAll(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  return dir;
}

export const fixture = (name: string): string => join(root, 'test/fixtures/llama', name);
export const stories260K = join(root, '../shared/data/stories260K/derived');
/** Why tests on the real checkpoint are skipped, or false. */
export const noStories = existsSync(join(stories260K, 'model.safetensors'))
  ? false
  : 'stories260K is not there (../shared/data)';
