/**
 * The inspector's house, bound: runs in a folder, machines folded by actors/, forks as processes of their own. Used by `inspect`
 * and, on a thread beside a live run, by `--inspect`.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { machines } from '../../actors/machines.js';
import { createStaging, ROLES } from '../../actors/staging.js';
import { createWorld, templateFor } from '../../actors/worlds.js';
import { newToken } from '../inspector/door.js';
import type { Control, ForkRequest, House, OpenRun, Reading, Started } from '../inspector/house.js';
import { watchRun } from '../inspector/watched-run.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { JudgeTemplate } from '../protocol/records.js';
import { firstDivergence, firstOtherFacts } from '../report/divergence.js';
import { meanScore, verdictPlace } from '../stages/judge.js';
import { readRunConfig } from '../store/run-config.js';
import { freeName, runFolder } from '../store/run-folder.js';
import { systemClock } from './options.js';
import { packageRoot } from './package.js';

/** A run that is live in this process. */
export interface LiveRun {
  readonly control: Control;
  /** Its first message that is said here. */
  readonly from: number;
}

export interface HouseOptions {
  /** Folder of the run to show first. */
  readonly run: string;
  readonly live?: LiveRun;
}

export interface BoundHouse extends House {
  close(): void;
}

const isRun = (folder: string): boolean => existsSync(runFolder(folder).log);

/** Folders of runs in a folder, newest first. */
export function runsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isRun(join(folder, entry.name)))
    .map(({ name }) => ({ name, at: statSync(runFolder(join(folder, name)).log).mtimeMs }))
    .sort((a, b) => b.at - a.at)
    .map(({ name }) => name);
}

function readingOf(template: JudgeTemplate): Reading {
  const { marker, min, max } = template.verdict;
  return { marker: marker.trim(), min, max, placeIn: (text) => verdictPlace(text, template) };
}

export function createHouse({ run, live }: HouseOptions): BoundHouse {
  const folder = resolve(run);
  const beside = dirname(folder);
  const home = basename(folder);
  const opened = new Map<string, OpenRun>();
  const children = new Set<ReturnType<typeof spawn>>();
  let charts: ReturnType<House['charts']> | undefined;

  const openNow = (name: string): OpenRun => {
    if (name !== home && !runsIn(beside).includes(name))
      throw new SoliloquyError('run.missing', `there is no run ${name} beside ${home}`, {
        run: name,
        fix: 'GET /api/runs lists those that there are',
      });
    const path = join(beside, name);
    const { initial, config } = readRunConfig(path);
    const isLive = name === home && live !== undefined;
    const watched = watchRun({
      log: runFolder(path).log,
      roles: ROLES,
      createStage: () => createStaging(initial),
      clock: systemClock,
      ...(isLive ? { givenFrom: live.from } : {}),
    });
    const control = isLive ? live.control : null;
    const world = createWorld(config);
    const reading = readingOf(templateFor(config, world));
    return { name, folder: path, watched, control, truth: world.truth, reading };
  };
  return {
    home,
    roles: ROLES,
    token: newToken(),
    names: () => [...new Set([home, ...runsIn(beside)])],
    open(name) {
      const known = opened.get(name);
      if (known) return known;
      const made = openNow(name);
      opened.set(name, made);
      return made;
    },
    fork: (parent, request) => startFork(parent, request, children),
    measures: {
      scoreOf: (verdicts) => meanScore(verdicts).score,
      findParting: firstDivergence,
      findOtherFacts: firstOtherFacts,
    },
    charts: () => (charts ??= drawCharts()),
    close() {
      for (const { watched } of opened.values()) watched.close();
      for (const child of children) child.kill('SIGINT');
    },
  };
}

/** As they lie in docs/, which a test keeps current: placing them anew costs a live run a second or two. */
async function drawCharts(): Promise<Readonly<Record<string, string>>> {
  const drawn = Object.entries(machines).map(async ([name, { svg }]) => {
    const file = join(packageRoot(), 'docs', 'machines', `${name}.svg`);
    return [name, existsSync(file) ? readFileSync(file, 'utf8') : await svg()] as const;
  });
  return Object.fromEntries(await Promise.all(drawn));
}

const argumentsOf = ({ at, cast, set, override }: ForkRequest): string[] => [
  ...['--at', at],
  ...Object.entries(cast).flatMap(([role, player]) => [`--cast.${role}`, player]),
  ...set.flatMap((one) => ['--set', one]),
  ...override.flatMap((one) => ['--override', one]),
];

/** A process of its own with its own page; it is told by the line in which it says where that is. */
function startFork(
  parent: OpenRun,
  request: ForkRequest,
  children: Set<ReturnType<typeof spawn>>,
): Promise<Started> {
  const out = freeName(`${parent.folder}-at-${request.at}`);
  const main = join(import.meta.dirname, 'main.js');
  const args = ['fork', parent.folder, ...argumentsOf(request), '--out', out];
  const child = spawn(
    process.execPath,
    [main, ...args, '--inspect', '--inspect-port', '0', '--no-open', '--quiet'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.add(child);
  const said: string[] = [];
  return new Promise((done, fail) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      said.push(line);
      said.splice(0, said.length - 20);
      const [url] = /http:\/\/127\.0\.0\.1:\d+\/#token=\S+/.exec(line) ?? [];
      if (url) done({ run: basename(out), url });
    });
    child.on('error', fail);
    child.on('close', (code) => {
      children.delete(child);
      fail(
        new SoliloquyError('usage', said.join('\n') || `the fork ended with code ${code}`, {
          status: 409,
          fix: `soliloquy ${args.join(' ')}`,
        }),
      );
    });
  });
}
