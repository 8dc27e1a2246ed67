/**
 * `soliloquy doctor`: what this machine can do, and whether the default run can work here.
 */
import { Command } from 'commander';
import pc from 'picocolors';
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
import { printJson } from './options.js';
import { packageVersion } from './package.js';

const EXAMPLES = `
Exit code 0: the default run can work here; 1: it can't, and the findings say why.

Examples
  soliloquy doctor
  soliloquy doctor --json`;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what this machine can do, and how to get what is missing')
    .option(
      '--json',
      '{"ok", "version", "backend", "findings": [{"name", "ok", "needed", "detail", "fix"}, …]}',
    )
    .addHelpText('after', EXAMPLES)
    .action(examine);
}

const BEST_FIRST = ['tensorflow', 'wasm', 'cpu'] as const;

async function examine({ json }: { readonly json?: true }): Promise<void> {
  const findings: Finding[] = [nodeCheck(), coresCheck(), memoryCheck(), threadsCheck(), diskCheck()];
  // One after the other: each starts a thread, and the times of all are short.
  const backends: Finding[] = [];
  for (const backend of BEST_FIRST) backends.push(await backendCheck(backend));
  const backend = BEST_FIRST.find((_, i) => backends[i]!.ok) ?? null;
  findings.push(...backends, anyBackend(backend), await assetCheck());
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

const anyBackend = (backend: string | null): Finding =>
  backend === null
    ? { name: 'engine', ok: false, needed: true, detail: 'no backend loads', fix: 'reinstall with `npm ci`' }
    : { name: 'engine', ok: true, needed: true, detail: `--backend auto takes ${backend}` };

function lineOf({ name, ok, needed, detail, fix }: Finding): string {
  const mark = ok ? pc.green('✓') : needed ? pc.red('✗') : pc.yellow('–');
  return `${mark} ${name.padEnd(19)}${detail}\n${ok || fix === undefined ? '' : `${' '.repeat(21)}→ ${fix}\n`}`;
}
