/**
 * What a server is made of.
 */
import type { VersionId } from '../protocol/ids.js';
import type { Clock, LanguageModel } from '../protocol/ports.js';
import type { ChatFormat } from './chat-format.js';

export interface ServeOptions {
  readonly model: LanguageModel;
  readonly version: VersionId;
  /** What requests call it. */
  readonly name: string;
  readonly chat: ChatFormat;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Null: whoever reaches this machine's own address. */
  readonly key: string | null;
  /** Of the draws of requests that bring no seed; each of them counts one on. */
  readonly seed: number;
  readonly clock: Clock;
  /** One line, without its end. */
  readonly log: (line: string) => void;
  readonly bodyLimit?: number;
  /** Milliseconds that one answer may take. */
  readonly answerTimeout?: number;
}
