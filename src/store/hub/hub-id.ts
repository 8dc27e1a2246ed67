/**
 * Owns: what a Hub id says: `hf:org/name@rev`, `hf:datasets/org/name@rev:path/in/repo`. Names only; nothing is looked up.
 * Invariant: no part of a parsed id leads out of the folder that it is joined to.
 */
import { SoliloquyError } from '../../protocol/errors.js';

export interface HubId {
  readonly type: 'model' | 'dataset';
  /** `org/name`, or `name` where the Hub has no owner for it. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** A file or folder in the repository; null: the whole of it. */
  readonly path: string | null;
}

const PREFIX = 'hf:';
const DATASETS = 'datasets/';

export const isHubId = (text: string): boolean => text.startsWith(PREFIX);
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

const FIX = 'write hf:org/name, hf:org/name@revision, or hf:datasets/org/name@revision:path/in/repo';

const SEGMENT = /^[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?$/;
const isName = (name: string): boolean => {
  const parts = name.split('/');
  // `--` parts owner and name in the cache's folders.
  return parts.length <= 2 && parts.every((part) => SEGMENT.test(part) && !/--|\.\./.test(part));
};
const isRevision = (text: string): boolean =>
  /^[\w][\w./+-]{0,199}$/.test(text) && text.split('/').every((part) => !/^\.*$|\.\.|\.lock$/.test(part));

/** Why a repository's file name can't be one in a folder of ours, or undefined. Both systems' rules count on each. */
export function pathFault(path: string): string | undefined {
  const parts = path.split(/[/\\]/);
  if (path === '' || path.length > 1000) return 'it is empty or too long';
  if ([...path].some((char) => char.codePointAt(0)! < 32)) return 'it has a control character';
  if (parts.some((part) => part === '..' || part === '.')) return 'it leads out of its folder';
  if (parts.some((part) => part === '') || path.includes('\\')) return 'it is no plain relative path';
  return parts.some((part) => /^[A-Za-z]:/.test(part)) ? 'it names a drive' : undefined;
}

export function parseHubId(text: string): HubId {
  const refuse = (why: string): never => {
    throw new SoliloquyError('usage', `${JSON.stringify(text)} is no Hub id: ${why}`, { id: text, fix: FIX });
  };
  const found = /^hf:([^@:]*)(?:@([^:]*))?(?::(.*))?$/s.exec(text);
  if (!found) return refuse('it does not read as one');
  const [, named = '', revision = 'main', path = null] = found;
  const isData = named.startsWith(DATASETS);
  const name = isData ? named.slice(DATASETS.length) : named;
  if (!isName(name)) return refuse(`"${name}" is no name of a repository`);
  if (!isRevision(revision)) return refuse(`"${revision}" is no revision`);
  const fault = path === null ? undefined : pathFault(path);
  if (fault) return refuse(`the path "${path}": ${fault}`);
  return { type: isData ? 'dataset' : 'model', name, revision, path };
}

/** Back to text. */
export const hubText = ({ type, name, revision, path }: HubId): string =>
  `${PREFIX}${type === 'dataset' ? DATASETS : ''}${name}@${revision}${path === null ? '' : `:${path}`}`;
