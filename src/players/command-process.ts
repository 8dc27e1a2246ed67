/**
 * One external command as a child process in a process group of its own: its output in a file, its lines told, its end known.
 * Whatever ends it (a timeout, a stop, our own end) ends the whole group: first asked (SIGTERM), then by force. What its children
 * moved into other groups is theirs to end, as torchrun does when it is asked.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

export interface CommandRun {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Everything it says, both streams as they come; appended. */
  readonly logFile: string;
  /** 0 = never. */
  readonly timeoutMs: number;
  readonly graceMs: number;
  /** Each line (also one that a carriage return ends, as progress bars do), without its end. */
  readonly onLine: (line: string) => void;
  /** Its id, as soon as it runs. */
  readonly onStart: (pid: number) => void;
}

export interface Commands {
  /** Ends well when the command ends with 0, else with `trainer.failed`. */
  run(command: CommandRun): Promise<void>;
  /** Ends what runs, and waits for that; nothing runs after. */
  close(): Promise<void>;
}

const LAST_LINES = 20;
/** Characters of each of them. */
const MAX_TOLD = 500;
/** A line is cut here: a progress bar that never ends its line must not fill the memory. */
const MAX_LINE = 1 << 16;

interface Running {
  readonly done: Promise<unknown>;
  readonly stop: () => void;
}

export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export function createCommands(): Commands {
  const running = new Set<Running>();
  let closed = false;
  return {
    async run(command) {
      if (closed) throw new SoliloquyError('trainer.failed', 'the run is over: no command is run any more');
      const started = start(command);
      running.add(started);
      try {
        await started.done;
      } finally {
        running.delete(started);
      }
    },
    async close() {
      closed = true;
      for (const one of running) one.stop();
      await Promise.allSettled([...running].map(({ done }) => done));
    },
  };
}

type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

function start(command: CommandRun): Running {
  const [program, ...args] = command.words;
  const output = createWriteStream(command.logFile, { flags: 'a' });
  const child = spawn(program!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...command.env },
  });
  if (child.pid !== undefined) command.onStart(child.pid);
  const lines = listen(child, output, command.onLine);
  const ending = endingOf(child, command);
  const done = endOf(child, ending).then(
    async (end) => {
      await new Promise((resolve) => output.end(resolve));
      check(end, command, ending.why(), lines.last());
    },
    async (error) => {
      await new Promise((resolve) => output.end(resolve));
      throw cannotStart(command, error);
    },
  );
  return { done, stop: () => ending.end('stopped') };
}

/** Writes what it says into the file and tells it in lines. */
function listen(child: ChildProcess, output: WriteStream, onLine: (line: string) => void) {
  const last: string[] = [];
  output.on('error', () => undefined); // a full disk: the training itself may still end well
  const tell = (line: string, end: string | undefined) => {
    if (line.trim() === '') return;
    onLine(line);
    if (end === '\r') return; // a progress bar on its way
    last.push(line.slice(0, MAX_TOLD));
    if (last.length > LAST_LINES) last.shift();
  };
  for (const stream of [child.stdout!, child.stderr!]) {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    stream.on('data', (chunk: Buffer) => {
      output.write(chunk);
      const parts = (rest + decoder.write(chunk)).split(/(\r\n|\r|\n)/);
      rest = parts.pop()!.slice(-MAX_LINE);
      for (let i = 0; i < parts.length; i += 2) tell(parts[i]!, parts[i + 1]);
    });
    stream.on('end', () => tell(rest, undefined));
  }
  return { last: () => last };
}

type Why = 'timeout' | 'stopped' | null;

/** Asks the group to end, then ends it; also when this process ends before it. */
function endingOf(child: ChildProcess, { timeoutMs, graceMs }: CommandRun) {
  let why: Why = null;
  let force: NodeJS.Timeout | undefined;
  const signal = (name: NodeJS.Signals) => {
    if (child.pid !== undefined) signalGroup(child.pid, name);
  };
  const end = (reason: Why) => {
    if (why !== null) return;
    why = reason;
    signal('SIGTERM');
    force = setTimeout(() => signal('SIGKILL'), graceMs);
  };
  const atExit = () => signal('SIGKILL');
  process.on('exit', atExit);
  const timer = timeoutMs > 0 ? setTimeout(() => end('timeout'), timeoutMs) : undefined;
  return {
    why: () => why,
    end,
    /** It is over: nothing of it may write any more. */
    over() {
      clearTimeout(timer);
      clearTimeout(force);
      process.off('exit', atExit);
      signal('SIGKILL');
    },
  };
}

/** The child's own end; then that of its output, which a process that left its group might hold open. */
function endOf(child: ChildProcess, ending: ReturnType<typeof endingOf>): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      ending.over();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      ending.over();
      const late = setTimeout(() => resolve({ code, signal }), 2000);
      child.on('close', () => {
        clearTimeout(late);
        resolve({ code, signal });
      });
    });
  });
}

const cannotStart = ({ words }: CommandRun, cause: unknown) =>
  new SoliloquyError(
    'trainer.failed',
    `the trainer's command can't be started: ${reasonOf(cause)}`,
    { words, fix: 'is the program there, and is it on the PATH of this shell?' },
    { cause },
  );

function check({ code, signal }: Ended, command: CommandRun, why: Why, last: readonly string[]): void {
  if (code === 0 && why === null) return;
  const how =
    why === 'timeout'
      ? `was ended after ${command.timeoutMs / 60_000} minutes (command.timeoutMinutes)`
      : why === 'stopped'
        ? 'was ended because the run was stopped'
        : signal
          ? `was killed by ${signal}`
          : `ended with ${code}`;
  const said = last.length > 0 ? `; it said last:\n${last.join('\n')}` : '; it said nothing';
  throw new SoliloquyError(
    'trainer.failed',
    `the trainer's command ${how}${said}\n(all: ${command.logFile})`,
    {
      words: command.words,
      code,
      signal,
      logFile: command.logFile,
      fix: 'correct the command, and go on from before the failure: soliloquy fork RUN --at request.failed:1 --set command.run=…',
    },
  );
}
