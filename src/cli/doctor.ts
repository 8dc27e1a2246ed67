/**
 * `soliloquy doctor`: what this machine can do, and whether the default run can work here. Backends and execution providers
 * are not looked up but tried: a backend in a worker thread, a provider in a process of its own.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Command } from 'commander';
import pc from 'picocolors';
import { z } from 'zod';
import { createLanguageModel } from '../pool/language-model.js';
import { BACKENDS } from '../protocol/backends.js';
import type { ConfigPart } from '../protocol/config.js';
import { reasonOf } from '../protocol/errors.js';
import {
  assetCheck,
  backendCheck,
  coresCheck,
  diskCheck,
  type Finding,
  memoryCheck,
  nodeCheck,
  threadsCheck,
} from './machine-checks.js';
import { memoryOf } from './memory-needed.js';
import { defaultWorkers, printJson, wholeNumber } from './options.js';
import { packageRoot, packageVersion } from './package.js';
import { collectSet } from './set-option.js';

const EXAMPLES = `
Exit code 0: the default run can work here; 1: it can't, and the findings say why.

Examples
  soliloquy doctor
  soliloquy doctor --model ./checkpoint --set lora.rank=8       how much memory a run would take
  soliloquy doctor --json`;

interface Options {
  readonly model?: string;
  readonly workers: number;
  readonly set?: readonly ConfigPart[];
  readonly json?: true;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what this machine can do, and how to get what is missing')
    .option('--model <dir>', 'instead: what a run with this model takes of memory, and whether it fits')
    .option('--workers <n>', 'with --model: worker threads', wholeNumber(1, 256), defaultWorkers())
    .option('--set <path=value>', 'with --model: any option of the config, repeatable', collectSet)
    .option(
      '--json',
      '{"ok", "version", "backend", "findings": [{"name", "ok", "needed", "detail", "fix"}, …]}',
    )
    .addHelpText('after', EXAMPLES)
    .action((options: Options) =>
      options.model === undefined ? examine(options) : memoryOf(options.model, options),
    );
}

async function examine({ json }: { readonly json?: true }): Promise<void> {
  const findings: Finding[] = [nodeCheck(), coresCheck(), memoryCheck(), threadsCheck(), diskCheck()];
  // One after the other: each starts a thread, and the times of all are short.
  const inThreads = BACKENDS.filter((backend) => !backend.startsWith('onnx:'));
  for (const backend of inThreads) findings.push(await backendCheck(backend));
  const backend = await chosenBackend();
  findings.push(engineFinding(backend), ...(await onnxruntimeChecks()), await assetCheck());
  const ok = findings.every((finding) => finding.ok || !finding.needed);
  if (!ok) process.exitCode = 1;
  if (json) return printJson({ ok, version: packageVersion(), backend, findings });
  for (const finding of findings) process.stdout.write(lineOf(finding));
  process.stdout.write(
    ok
      ? '\nThe default run can work here: npx soliloquy run --quick\n'
      : '\nThe default run can’t work here yet: see what is marked ✗ above.\n',
  );
}

/** What `--backend auto` takes, said by itself. */
async function chosenBackend(): Promise<string | null> {
  try {
    const model = await createLanguageModel({ workers: 1, backend: 'auto' });
    await model.close();
    return model.backend;
  } catch {
    return null;
  }
}

const engineFinding = (backend: string | null): Finding =>
  backend === null
    ? { name: 'engine', ok: false, needed: true, detail: 'no backend loads', fix: 'reinstall with `npm ci`' }
    : { name: 'engine', ok: true, needed: true, detail: `--backend auto takes ${backend}` };

/** A model of one node, x + x: the smallest that an execution provider can be asked to run. */
const DOUBLE = 'CAg6NQoOCgF4CgF4EgF5IgNBZGQSAWdaDwoBeBIKCggIARIECgIIBGIPCgF5EgoKCAgBEgQKAggEQgIQEQ==';

const LIST = `import * as ort from 'onnxruntime-node';
console.log(JSON.stringify({ version: ort.env.versions.node, providers: ort.listSupportedBackends() }));`;

const TRY = (provider: string): string => `import * as ort from 'onnxruntime-node';
const model = Buffer.from('${DOUBLE}', 'base64');
const session = await ort.InferenceSession.create(model, { executionProviders: ['${provider}'], logSeverityLevel: 4 });
const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4), [4]) });
if (y.data.join() !== '2,4,6,8') throw new Error('1, 2, 3, 4 doubled to ' + y.data.join());`;

const INSTALL_CUDA = 'ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js';

/** By the names of `listSupportedBackends()`, which differ by platform. */
const HOW_TO_GET: Readonly<Record<string, string>> = {
  cuda: `an NVIDIA driver, CUDA 12 and cuDNN 9, then \`${INSTALL_CUDA}\` (Linux x64; again after each \`npm ci\`)`,
  tensorrt: `TensorRT besides what cuda needs, then \`${INSTALL_CUDA}\``,
  webgpu:
    'a GPU with a driver for Vulkan (Linux), Metal (macOS) or D3D12 (Windows); the library itself is in the package',
  coreml: 'macOS; the library itself is in the package',
  dml: 'Windows with a DirectX 12 GPU; the library itself is in the package',
};

const installed = z.object({
  version: z.string(),
  providers: z.array(z.object({ name: z.string(), bundled: z.boolean() })),
});

const run = promisify(execFile);
const inNode = (code: string) =>
  run(process.execPath, ['--input-type=module', '-e', code], { cwd: packageRoot(), timeout: 60_000 });

/** onnxruntime-node and each of its execution providers: GPUs' are tried where a crash ends no more than the trial. */
export async function onnxruntimeChecks(): Promise<Finding[]> {
  const found = { name: 'onnxruntime-node', needed: false };
  try {
    const { version, providers } = installed.parse(JSON.parse((await inNode(LIST)).stdout));
    const names = providers.map(({ name, bundled }) => (bundled ? name : `${name} (fetched apart)`));
    return [
      { ...found, ok: true, detail: `${version}; execution providers: ${names.join(', ')}` },
      ...(await Promise.all(providers.map(({ name }) => providerCheck(name)))),
    ];
  } catch (error) {
    const fix = 'reinstall with `npm ci` (platforms: Linux and Windows on x64 and arm64, macOS on arm64)';
    return [{ ...found, ok: false, detail: `does not load: ${firstReason(error)}`, fix }];
  }
}

async function providerCheck(provider: string): Promise<Finding> {
  const found = { name: `provider ${provider}`, needed: false };
  try {
    await inNode(TRY(provider));
    return { ...found, ok: true, detail: 'runs a graph' };
  } catch (error) {
    const fix = HOW_TO_GET[provider] ?? 'see docs/backends.md';
    return { ...found, ok: false, detail: firstReason(error), fix };
  }
}

/** The line of a failed child that says why: what a library lacks before what the call lacks, without folders. */
export function firstReason(error: unknown): string {
  const { stderr = '' } = error as { readonly stderr?: string };
  const said = /with error: (.+)$/m.exec(stderr) ?? /^\w*Error: (.+)$/m.exec(stderr);
  const line = said?.[1] ?? reasonOf(error).split('\n')[0]!;
  return line
    .replace(/^.* was false\. /, '')
    .replace(/\S*\//g, '')
    .slice(0, 120);
}

function lineOf({ name, ok, needed, detail, fix }: Finding): string {
  const mark = ok ? pc.green('✓') : needed ? pc.red('✗') : pc.yellow('–');
  return `${mark} ${name.padEnd(19)}${detail}\n${ok || fix === undefined ? '' : `${' '.repeat(21)}→ ${fix}\n`}`;
}
