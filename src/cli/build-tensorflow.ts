/**
 * `npm run build:tensorflow`: native TensorFlow without tfjs-node's own download. Compiles tfjs-node's binding against the
 * headers and libraries of TensorFlow's Python wheel, puts it where tfjs-node looks for it, and multiplies matrices with it.
 * Changes node_modules/ and nothing else. The wheel must stay where it is: the binding loads its libraries from there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import { describe, exitCodeOf } from './failure.js';
import { packageRoot } from './package.js';

const AGAIN = 'npm run build:tensorflow -- --python';
const GET_WHEEL = `\`python3 -m venv .venv && .venv/bin/pip install tensorflow-cpu\` (with an NVIDIA GPU on Linux: 'tensorflow[and-cuda]'), then \`${AGAIN} .venv/bin/python\``;

const EXAMPLES = `
Needs g++ and a recent TensorFlow in any Python (pip install tensorflow-cpu, or 'tensorflow[and-cuda]'; 2.21 was tried).
Without --python it takes that of SOLILOQUY_PYTHON, else python3. CXX names another compiler.

Examples
  npm run build:tensorflow
  ${AGAIN} .venv/bin/python`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const fail = (message: string, fix: string): never => {
  throw new SoliloquyError('backend.unavailable', message, { fix });
};

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

interface Wheel {
  readonly version: string;
  readonly lib: string;
  /** What TensorFlow wants its own extensions to be compiled with, its include folder among it. */
  readonly flags: readonly string[];
}

const wheelSchema = z.object({ version: z.string(), lib: z.string(), flags: z.array(z.string()) });

const ASK = `import json, tensorflow as tf
print(json.dumps({"version": tf.__version__, "lib": tf.sysconfig.get_lib(), "flags": tf.sysconfig.get_compile_flags()}))`;

function findWheel(python: string): Wheel {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  const { error, status, stdout, stderr } = spawnSync(python, ['-c', ASK], { encoding: 'utf8', env });
  if (error)
    fail(`${python} does not start: ${error.message}`, `install Python 3, or name one: ${AGAIN} PATH`);
  if (status === 0) return wheelSchema.parse(JSON.parse(lastLine(stdout)));
  const missing = stderr.includes("No module named 'tensorflow'");
  return fail(
    missing ? `${python} has no TensorFlow.` : `${python} can't import TensorFlow: ${lastLine(stderr)}`,
    missing
      ? GET_WHEEL
      : `make \`${python} -c 'import tensorflow'\` work, or take another Python: ${GET_WHEEL}`,
  );
}

function librariesOf({ lib, version }: Wheel): string[] {
  const library =
    process.platform === 'darwin'
      ? /^libtensorflow_(cc|framework)\.\d+\.dylib$/
      : /^libtensorflow_(cc|framework)\.so\.\d+$/;
  const found = readdirSync(lib).filter((name) => library.test(name));
  if (found.length !== 2)
    fail(`TensorFlow ${version} in ${lib} brings no C API libraries.`, `take a newer one: ${GET_WHEEL}`);
  return found.map((name) => join(lib, name));
}

function findCompiler(): string {
  const compiler = process.env.CXX ?? 'g++';
  if (spawnSync(compiler, ['--version']).status !== 0)
    fail(
      `The compiler ${compiler} does not start.`,
      'install g++ (Debian: apt install g++), or name one by CXX',
    );
  return compiler;
}

function findNodeHeaders(): string {
  const places = [
    join(dirname(dirname(process.execPath)), 'include/node'),
    join(process.env.npm_config_nodedir ?? '/usr', 'include/node'),
    '/usr/include/node',
    join(homedir(), '.cache/node-gyp', process.versions.node, 'include/node'),
  ];
  const found = places.find((dir) => existsSync(join(dir, 'node_api.h')));
  return (
    found ??
    fail('The headers of Node.js are not there.', 'npx node-gyp install (Debian: apt install libnode-dev)')
  );
}

/** In the order in which the backend looks for them: the first that is there is the one to build. */
const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

function findPackage(): string | undefined {
  const { paths } = createRequire(import.meta.url).resolve;
  return PACKAGES.flatMap((name) => (paths(name) ?? []).map((dir) => join(dir, name))).find((dir) =>
    existsSync(join(dir, 'package.json')),
  );
}

/** tfjs-node-gpu is an optional dependency: npm leaves it out where its install script fails, so it is not asked to run it. */
function fetchPackage(): string {
  const there = findPackage();
  if (there) return there;
  const root = packageRoot();
  const flags = ['install', '--ignore-scripts', '--no-save'];
  if (!existsSync(join(root, 'package-lock.json')))
    fail('No tfjs-node is there.', `npm ${flags.join(' ')} ${PACKAGES[0]}@4.22.0`);
  say(`npm ${flags.join(' ')}: for ${PACKAGES[0]}, as package-lock.json has it`);
  const { status, stderr } = spawnSync('npm', flags, { cwd: root, encoding: 'utf8' });
  const found = findPackage();
  if (status === 0 && found) return found;
  return fail(
    `npm did not fetch ${PACKAGES[0]}: ${stderr.trim()}`,
    'try again where the npm registry can be reached',
  );
}

/** Where tfjs-node will look, said by what it asks itself. */
function bindingPath(folder: string): string {
  const manifest = join(folder, 'package.json');
  const finder = createRequire(manifest)('@mapbox/node-pre-gyp') as { find(manifest: string): string };
  return finder.find(manifest);
}

function compile(compiler: string, folder: string, headers: string, wheel: Wheel, to: string): void {
  const flags = ['-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8', ...wheel.flags, `-I${headers}`];
  const link = [...librariesOf(wheel), `-Wl,-rpath,${wheel.lib}`];
  if (process.platform === 'darwin')
    link.push('-undefined', 'dynamic_lookup'); // Node's own symbols
  // TensorFlow leaves exit handlers: were it unloaded with a worker thread, the process would crash at its end.
  else link.push('-Wl,-z,nodelete');
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(folder, 'binding', name));
  mkdirSync(dirname(to), { recursive: true });
  const made = `${to}.new`;
  const { status, stderr } = spawnSync(compiler, [...flags, ...sources, ...link, '-o', made], {
    encoding: 'utf8',
  });
  if (status !== 0)
    fail(
      `${compiler} could not compile the binding:\n${stderr}`,
      'TensorFlow 2.21 is known to fit: pip install tensorflow-cpu==2.21.*',
    );
  renameSync(made, to);
}

const checkSchema = z.object({ product: z.array(z.number()), gflops: z.number(), gpu: z.boolean() });

const CHECK = `
import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from ${JSON.stringify(new URL('../lm/tfjs/backend.js', import.meta.url).href)};
await startBackend('tensorflow');
const two = tf.tensor2d([1, 2, 3, 4], [2, 2]);
const large = tf.randomUniform([1024, 1024]);
const time = () => { const began = performance.now(); tf.matMul(large, large).dataSync(); return performance.now() - began; };
const best = Math.min(...Array.from({ length: 8 }, time));
const product = [...tf.matMul(two, two).dataSync()];
console.log(JSON.stringify({ product, gflops: 2 * 1.024 ** 3 / best * 1e3, gpu: tf.backend().isUsingGpuDevice }));`;

/** In a process of its own: a binding that does not fit can end it. */
function check(wheel: Wheel, binding: string): void {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '1' };
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', CHECK],
    { cwd: packageRoot(), encoding: 'utf8', env },
  );
  const result = status === 0 ? checkSchema.parse(JSON.parse(lastLine(stdout))) : null;
  if (result?.product.join() !== '7,10,15,22') {
    rmSync(binding);
    fail(
      `The binding does not work (${signal ?? `exit code ${status}`}) and was removed:\n${stderr}`,
      'TensorFlow 2.21 is known to fit: pip install tensorflow-cpu==2.21.*',
    );
  }
  const { gflops, gpu } = result!;
  say(
    `checked: a product is right; 1024 × 1024 matrices at ${gflops.toFixed(0)} GFLOP/s on the ${gpu ? 'GPU' : 'CPU'}`,
  );
  const cuda = join(dirname(wheel.lib), 'nvidia');
  if (!gpu && existsSync(cuda))
    say(`CUDA's libraries are there, yet no GPU was taken. If nvidia-smi finds one, start with
  LD_LIBRARY_PATH=$(echo ${cuda}/*/lib | tr ' ' ':')`);
}

function build({ python }: { readonly python: string }): void {
  if (!['linux', 'darwin'].includes(process.platform))
    fail(`This works on Linux and macOS, not on ${process.platform}.`, `npm rebuild ${PACKAGES[0]}`);
  const from = python.includes('/') ? resolve(process.env.INIT_CWD ?? '.', python) : python;
  const wheel = findWheel(from);
  say(`TensorFlow ${wheel.version} of ${from}: ${wheel.lib}`);
  librariesOf(wheel);
  const compiler = findCompiler();
  const headers = findNodeHeaders();
  const folder = fetchPackage();
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
  };
  const binding = bindingPath(folder);
  say(`${compiler} compiles ${name} ${version} …`);
  compile(compiler, folder, headers, wheel, binding);
  say(`made ${relative(packageRoot(), binding)}`);
  check(wheel, binding);
  say(
    `It serves --backend tensorflow until \`npm ci\` takes it away or the wheel moves; then build it again.`,
  );
}

function main(): number {
  const command = new Command('build:tensorflow')
    .description('compile the tensorflow backend for the TensorFlow of a Python wheel')
    .option('--python <path>', 'the Python that has TensorFlow', process.env.SOLILOQUY_PYTHON || 'python3')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
    .action(build);
  try {
    command.parse(process.argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(describe(error, false));
    return exitCodeOf(error);
  }
}

process.exitCode = main();
