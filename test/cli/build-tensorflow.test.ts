/** What `npm run build:tensorflow` says where a part is missing: a fake Python stands for the machine's. Nothing is built here. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './command.js';

const script = join(import.meta.dirname, '../../dist/src/cli/build-tensorflow.js');
const work = temporaryFolder();

function build(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, out: stdout, err: stderr };
}

function fakePython(name: string, body: string): string {
  const path = join(work, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

/** A Python with a TensorFlow whose library folder holds these files. */
function pythonWith(name: string, libraries: readonly string[]): string {
  const lib = join(work, `${name}-lib`);
  mkdirSync(lib);
  for (const library of libraries) writeFileSync(join(lib, library), '');
  const answer = JSON.stringify({ version: '2.99', lib, flags: [`-I${lib}/include`] });
  return fakePython(name, `echo noise; echo '${answer}'`);
}

describe.skipIf(!['linux', 'darwin'].includes(process.platform))(
  'build:tensorflow (skipped but on Linux and macOS)',
  () => {
    it('without the Python — exit code 1, and how to name another', () => {
      const { status, err } = build(['--python', join(work, 'absent')]);
      expect(status).toBe(1);
      expect(err).toContain('absent');
      expect(err).toContain('--python');
    });

    it('without the wheel — how to pip install it, with a GPU too', () => {
      const python = fakePython(
        'bare',
        `echo "ModuleNotFoundError: No module named 'tensorflow'" >&2; exit 1`,
      );
      const { status, err } = build([], { SOLILOQUY_PYTHON: python });
      expect(status).toBe(1);
      for (const way of [`${python} has no TensorFlow`, 'pip install tensorflow-cpu', 'tensorflow[and-cuda]'])
        expect(err).toContain(way);
    });

    it('a TensorFlow that does not import — its own reason', () => {
      const python = fakePython('broken', 'echo "Illegal instruction" >&2; exit 132');
      expect(build(['--python', python])).toMatchObject({
        status: 1,
        err: expect.stringContaining('Illegal instruction'),
      });
    });

    it('a wheel without the C libraries — says so', () => {
      const { status, err } = build(['--python', pythonWith('old', ['libtensorflow_framework.so.2'])]);
      expect(status).toBe(1);
      expect(err).toContain('TensorFlow 2.99');
    });

    it('without a compiler — says which, and how to get one', () => {
      const end = process.platform === 'darwin' ? '2.dylib' : 'so.2';
      const python = pythonWith('whole', [`libtensorflow_cc.${end}`, `libtensorflow_framework.${end}`]);
      const { status, err } = build(['--python', python], { CXX: 'no-such-compiler' });
      expect(status).toBe(1);
      expect(err).toContain('no-such-compiler');
      expect(err).toContain('apt install g++');
    });

    it('an unknown option is wrong usage, --help is none', () => {
      expect(build(['--pyton', 'x']).status).toBe(2);
      expect(build(['--help'])).toMatchObject({
        status: 0,
        out: expect.stringContaining('SOLILOQUY_PYTHON'),
      });
    });
  },
);
