/**
 * What the inspector's routes work with: the runs that can be looked at, how a live one is controlled, what is known of machines
 * and worlds. All ports: the command line binds them.
 */
import type { TrueScore } from '../protocol/records.js';
import type { FindOtherFacts, FindParting } from './compare.js';
import type { ScoreOf } from './progress-fold.js';
import type { WatchedRun } from './watched-run.js';

/** A live run under control. Holding leaves no trace on the log: the run comes to the same outcome. */
export interface Control {
  hold(): void;
  /** One message, then hold. */
  step(): void;
  release(): void;
  stop(): void;
  readonly held: boolean;
  readonly ended: boolean;
}

export interface ForkRequest {
  /** A seq, or a version such as M2. */
  readonly at: string;
  readonly cast: Readonly<Partial<Record<'generator' | 'responder' | 'judge' | 'trainer', string>>>;
  /** `path.to.option=value` */
  readonly set: readonly string[];
  /** `type@seq.path=value` */
  readonly override: readonly string[];
}

/** Where a fork that was started can be watched. */
export interface Started {
  readonly run: string;
  readonly url: string;
}

/** How the run's judgements are read. */
export interface Reading {
  readonly marker: string;
  readonly min: number;
  readonly max: number;
  /** Where the verdict stands in a judge's words, as [from, to) of UTF-16 units; null where there is no marker. */
  placeIn(
    text: string,
  ): { readonly marker: readonly [number, number]; readonly score: readonly [number, number] | null } | null;
}

export interface OpenRun {
  readonly name: string;
  readonly folder: string;
  readonly watched: WatchedRun;
  /** Null: not in this process. */
  readonly control: Control | null;
  /** The true score of an answer; undefined where the world has none. */
  readonly truth: ((prompt: string, response: string) => TrueScore | null) | undefined;
  readonly reading: Reading;
}

/** What the loop and the reports already know how to compute. */
export interface Measures {
  readonly scoreOf: ScoreOf;
  readonly findParting: FindParting;
  readonly findOtherFacts: FindOtherFacts;
}

export interface House {
  /** The run that the page shows first. */
  readonly home: string;
  readonly roles: readonly string[];
  readonly token: string;
  /** Names of the runs beside it, newest first. */
  names(): readonly string[];
  /** Opens it when it is first asked for; throws `run.missing`. */
  open(name: string): OpenRun;
  fork(run: OpenRun, request: ForkRequest): Promise<Started>;
  readonly measures: Measures;
  /** Drawings of the statecharts by name. */
  charts(): Promise<Readonly<Record<string, string>>>;
}
