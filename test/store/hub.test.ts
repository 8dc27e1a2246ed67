import { execFile } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { weightsHash } from '../../src/lm/weights.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';
import { hubText, parseHubId } from '../../src/store/hub/hub-id.js';
import {
  cachedModel,
  type Download,
  fetchData,
  fetchModel,
  modelFolder,
} from '../../src/store/hub/repository.js';
import { testFolder } from '../support/folder.js';
import { type HubServer, sha1OfBlob, sha256Of, startHub } from '../support/hub-server.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const REPO = 'models/team/tiny';
const files: Record<string, Buffer> = {};
let hub: HubServer;
let commit: string;
let home: string;

const quiet = () => undefined;
const repoIn = (at = home) => join(at, 'hub', 'models--team--tiny');
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fine',
    (error: unknown) => (isSoliloquyError(error) ? error.code : String(error)),
  );

beforeAll(async () => {
  const dir = await writeTinyModel(join(folder.path, 'm0'));
  for (const name of readdirSync(dir)) files[name] = readFileSync(join(dir, name));
  files['pytorch_model.bin'] = Buffer.from('a pickle');
  files['onnx/model.onnx'] = Buffer.from('not wanted');
});
afterAll(() => folder.remove());

beforeEach(async () => {
  hub = await startHub();
  commit = hub.put(REPO, files);
  home = testFolder();
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HOME', home);
  for (const name of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_TOKEN', 'HF_HUB_OFFLINE'])
    vi.stubEnv(name, undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});

const resolved = () => hub.asked.filter(({ path }) => path.includes('/resolve/'));
const askedFor = (name: string) => resolved().filter(({ path }) => path.endsWith(`/${name}`));

describe('a model of the Hub', () => {
  it('is loaded with the files that are read, no pickle among them, and is the same model', async () => {
    const { pinned, path } = await fetchModel('hf:team/tiny', quiet);
    expect(pinned).toBe(`hf:team/tiny@${commit}`);
    const loaded = resolved().map((one) => one.path.split('/').at(-1));
    expect(loaded.sort()).toEqual(
      Object.keys(files)
        .filter((name) => !/bin$|onnx/.test(name) && existsSync(join(path, name)))
        .sort(),
    );
    expect(loaded).toContain('model.safetensors');
    const [here, there] = await Promise.all([readCheckpoint(path), readCheckpoint(join(folder.path, 'm0'))]);
    expect(weightsHash(here.weights)).toBe(weightsHash(there.weights));
  });

  it('lies in the cache as huggingface_hub has it: blobs by checksum, links to them, refs', async () => {
    const { path } = await fetchModel('hf:team/tiny@main', quiet);
    expect(readFileSync(join(repoIn(), 'refs/main'), 'utf8')).toBe(commit);
    expect(path).toBe(join(repoIn(), 'snapshots', commit));
    const weights = join(path, 'model.safetensors');
    expect(lstatSync(weights).isSymbolicLink()).toBe(true);
    expect(readlinkSync(weights)).toBe(`../../blobs/${sha256Of(files['model.safetensors']!)}`);
    expect(readlinkSync(join(path, 'config.json'))).toBe(`../../blobs/${sha1OfBlob(files['config.json']!)}`);
    expect(readdirSync(join(repoIn(), 'blobs')).filter((name) => !/^[0-9a-f]+$/.test(name))).toEqual([]);
  });

  it('whose commit is named and whose files are there asks nobody', async () => {
    const { pinned } = await fetchModel('hf:team/tiny', quiet);
    const before = hub.asked.length;
    await fetchModel(pinned, quiet);
    expect(hub.asked.length).toBe(before);
  });

  it('is found offline by the name it was last asked for; what is not there is named', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    await expect(fetchModel('hf:team/tiny', quiet)).rejects.toMatchObject({
      code: 'hub.unavailable',
      fields: { missing: 'revision main' },
    });
    vi.stubEnv('HF_HUB_OFFLINE', '');
    await fetchModel('hf:team/tiny', quiet);
    vi.stubEnv('HF_HUB_OFFLINE', 'yes');
    const before = hub.asked.length;
    expect((await fetchModel('hf:team/tiny', quiet)).pinned).toBe(`hf:team/tiny@${commit}`);
    expect(hub.asked.length).toBe(before);
    expect(await codeOf(fetchModel('hf:team/other', quiet))).toBe('hub.unavailable');
  });

  it('is loaded shard by shard as its index says', async () => {
    const dir = join(import.meta.dirname, '../fixtures/llama/sharded');
    const own = Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]));
    hub.put('models/team/sharded', { ...own, 'model-00099-of-00004.safetensors': 'of no index' });
    const { path } = await fetchModel('hf:team/sharded', quiet);
    expect(readdirSync(path).filter((name) => name.endsWith('.safetensors'))).toHaveLength(4);
    await readCheckpoint(path);
  });
});

describe('a download', () => {
  it('that breaks goes on where it stopped: the second request asks for the rest alone', async () => {
    const whole = files['model.safetensors']!.length;
    hub.cut('model.safetensors', 5000);
    const seen: Download[] = [];
    const { path } = await fetchModel('hf:team/tiny', (download) => seen.push(download));
    const [first, second, ...more] = askedFor('model.safetensors');
    expect(first).toMatchObject({ range: undefined, sent: 5000 });
    expect(second).toMatchObject({ range: 'bytes=5000-', sent: whole - 5000 });
    expect(more).toEqual([]);
    expect(readFileSync(join(path, 'model.safetensors')).equals(files['model.safetensors']!)).toBe(true);
    expect(seen.at(-1)).toMatchObject({ file: 'model.safetensors', done: whole, bytes: whole });
  });

  it('that another process began is gone on with', async () => {
    const bytes = files['model.safetensors']!;
    const blob = join(repoIn(), 'blobs', sha256Of(bytes));
    mkdirSync(join(repoIn(), 'blobs'), { recursive: true });
    writeFileSync(`${blob}.incomplete`, bytes.subarray(0, 7000));
    await fetchModel('hf:team/tiny', quiet);
    expect(askedFor('model.safetensors')).toMatchObject([
      { range: 'bytes=7000-', sent: bytes.length - 7000 },
    ]);
    expect(existsSync(`${blob}.incomplete`)).toBe(false);
  });

  it.each(['model.safetensors', 'config.json'])('of other bytes is refused and removed: %s', async (name) => {
    hub.corrupt(name, true);
    await expect(fetchModel('hf:team/tiny', quiet)).rejects.toMatchObject({
      code: 'hub.invalid',
      fields: { file: name },
    });
    const etag = name === 'config.json' ? sha1OfBlob(files[name]!) : sha256Of(files[name]!);
    expect(readdirSync(join(repoIn(), 'blobs')).filter((one) => one.startsWith(etag))).toEqual([]);
    expect(existsSync(join(repoIn(), 'refs/main'))).toBe(false);
    hub.corrupt(name, false);
    expect(await codeOf(fetchModel('hf:team/tiny', quiet))).toBe('fine');
  });

  it('whose beginning is of another file is refused by its checksum, then loaded anew', async () => {
    const bytes = files['model.safetensors']!;
    const blob = join(repoIn(), 'blobs', sha256Of(bytes));
    mkdirSync(join(repoIn(), 'blobs'), { recursive: true });
    writeFileSync(`${blob}.incomplete`, Buffer.alloc(7000, 1));
    expect(await codeOf(fetchModel('hf:team/tiny', quiet))).toBe('hub.invalid');
    expect(await codeOf(fetchModel('hf:team/tiny', quiet))).toBe('fine');
    expect(askedFor('model.safetensors').at(-1)?.range).toBeUndefined();
  });

  it('of two at once asks for each file once', async () => {
    await Promise.all([fetchModel('hf:team/tiny', quiet), fetchModel('hf:team/tiny', quiet)]);
    expect(askedFor('model.safetensors')).toHaveLength(1);
  });
});

describe('the token', () => {
  it('comes from the environment, goes to the endpoint, and stands in no error', async () => {
    hub.want('secret-of-mine');
    const refused = await fetchModel('hf:team/tiny', quiet).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'hub.unavailable', fields: { status: 401 } });
    vi.stubEnv('HF_TOKEN', 'secret-of-mine');
    await fetchModel('hf:team/tiny', quiet);
    expect(hub.asked.at(-1)?.token).toBe('Bearer secret-of-mine');
    hub.want('another');
    const again = await fetchModel('hf:team/tiny', quiet).catch((error: unknown) => error);
    expect(JSON.stringify([again, String(again)])).not.toContain('secret');
    const kept = readdirSync(home, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    for (const one of kept)
      expect(readFileSync(join(one.parentPath, one.name)).includes('secret-of-mine')).toBe(false);
  });
});

describe('what is refused', () => {
  it.each([
    'hf:',
    'hf:a/b/c',
    'hf:../b',
    'hf:a/..',
    'hf:a--b/c',
    'hf:team/tiny@',
    'hf:team/tiny@../../x',
    'hf:team/tiny@/etc',
    'hf:datasets/team/data:../x',
    'hf:datasets/team/data:/etc/passwd',
    'hf:datasets/team/data@main:a\\..\\b',
    'hf:datasets/team/data@main:C:x',
  ])('%s is no id', async (id) => {
    expect(await codeOf(fetchData(id, quiet))).toBe('usage');
    expect(hub.asked).toEqual([]);
  });

  const oid = 'a'.repeat(40);
  const entry = (path: unknown, more: object = {}) => ({ type: 'file', path, size: 3, oid, ...more });
  it.each([
    ['a name that leads out', [entry('../evil.json')]],
    ['an absolute name', [entry('/etc/evil.json')]],
    ['a name of Windows', [entry('a\\..\\..\\evil.json')]],
    ['a checksum that is a path', [entry('data.jsonl', { oid: '../../../evil' })]],
    [
      'an LFS checksum that is a path',
      [entry('data.jsonl', { lfs: { oid: `../${'a'.repeat(61)}`, size: 3 } })],
    ],
    ['a size that is no size', [entry('data.jsonl', { size: 1e300 })]],
    ['a negative size', [entry('data.jsonl', { size: -1 })]],
    ['a name of no text', [entry(7)]],
    ['rows of no kind', [null, 7, 'x']],
    ['no list', { files: [] }],
  ])('a tree with %s', async (_, entries) => {
    hub.put('datasets/team/data', { 'data.jsonl': '{}' });
    hub.list('datasets/team/data', entries);
    expect(await codeOf(fetchData('hf:datasets/team/data', quiet))).toBe('hub.invalid');
    expect(readdirSync(home, { recursive: true }).filter((name) => String(name).includes('evil'))).toEqual(
      [],
    );
  });

  it('a file larger than the disk, before a byte is asked for', async () => {
    hub.put('datasets/team/data', { 'data.jsonl': '{}' });
    hub.list('datasets/team/data', [entry('data.jsonl', { size: Number.MAX_SAFE_INTEGER })]);
    expect(await codeOf(fetchData('hf:datasets/team/data', quiet))).toBe('hub.unavailable');
    expect(resolved()).toEqual([]);
  });

  it('more bytes than the tree says', async () => {
    hub.put('datasets/team/data', { 'data.jsonl': 'x'.repeat(5000) });
    hub.list('datasets/team/data', [entry('data.jsonl', { size: 100 })]);
    expect(await codeOf(fetchData('hf:datasets/team/data', quiet))).toBe('hub.invalid');
    const blobs = join(home, 'hub/datasets--team--data/blobs');
    expect(readdirSync(blobs)).toEqual([]);
  });

  it('a model of pickles alone, with the way out', async () => {
    const { 'model.safetensors': _, ...pickled } = files;
    hub.put('models/team/old', pickled);
    await expect(fetchModel('hf:team/old', quiet)).rejects.toMatchObject({ code: 'checkpoint.missing' });
    expect(resolved()).toEqual([]);
  });

  it('an index that names a shard elsewhere', async () => {
    const { 'model.safetensors': _, ...rest } = files;
    const index = JSON.stringify({ weight_map: { a: '../../x.safetensors' } });
    hub.put('models/team/sly', { ...rest, 'model.safetensors.index.json': index });
    expect(await codeOf(fetchModel('hf:team/sly', quiet))).toBe('hub.invalid');
  });

  it('a repository, a revision, a network that is not there', async () => {
    expect(await codeOf(fetchModel('hf:team/nothing', quiet))).toBe('hub.unavailable');
    expect(await codeOf(fetchModel('hf:team/tiny@v9', quiet))).toBe('hub.unavailable');
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1');
    expect(await codeOf(fetchModel('hf:team/tiny', quiet))).toBe('hub.unavailable');
    vi.stubEnv('HF_ENDPOINT', 'http://me:pass@127.0.0.1:1');
    const error = await fetchModel('hf:team/tiny', quiet).catch((one: unknown) => one);
    expect(JSON.stringify([error, String(error)])).not.toContain('pass@');
    expect(error).toMatchObject({ code: 'usage' });
  });
});

describe('a Hub that answers anything', () => {
  const ends = async (promise: Promise<unknown>) => {
    const code = await codeOf(promise);
    expect(code).toMatch(/^(fine|hub\.(invalid|unavailable))$/);
  };
  const outside = () => readdirSync(home).filter((name) => name !== 'hub');
  const run = (numRuns: number) => ({ numRuns, seed: 20261124 });

  it('in its tree: values of any type, at any place, or no JSON', async () => {
    hub.put('datasets/team/data', { 'data.jsonl': '{}' });
    const good = { type: 'file', path: 'data.jsonl', size: 2, oid: sha1OfBlob(Buffer.from('{}')) };
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('../x.json', '/x.json', 'a/../../x.json', 1e308, -1, 'a'.repeat(5000)),
    );
    const entry = fc
      .tuple(fc.constantFrom('type', 'path', 'size', 'oid', 'lfs'), value)
      .map(([key, wrong]) => ({ ...good, [key]: wrong }));
    const body = fc.oneof(
      fc.array(entry),
      fc.jsonValue(),
      fc.string().map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(body, async (answer) => {
        hub.list('datasets/team/data', answer);
        await ends(fetchData('hf:datasets/team/data', quiet));
        expect(outside()).toEqual([]);
      }),
      run(120),
    );
  });

  it('in an index of shards', async () => {
    const { 'model.safetensors': _, ...rest } = files;
    const map = fc.dictionary(
      fc.string(),
      fc.oneof(fc.string(), fc.constantFrom('../a.safetensors', 'b.safetensors', 'c/d.safetensors')),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.jsonValue(),
          map.map((weight_map) => ({ weight_map })),
          fc.string(),
        ),
        async (index) => {
          hub.put('models/team/fuzzed', {
            ...rest,
            'model.safetensors.index.json': typeof index === 'string' ? index : JSON.stringify(index),
          });
          await ends(fetchModel('hf:team/fuzzed', quiet));
        },
      ),
      run(40),
    );
  });

  it('to a range with the whole file, which is then taken whole', async () => {
    hub.ranges('ignored');
    hub.cut('model.safetensors', 5000);
    const { path } = await fetchModel('hf:team/tiny', quiet);
    expect(readFileSync(join(path, 'model.safetensors')).equals(files['model.safetensors']!)).toBe(true);
  });

  it('to a range with bytes from elsewhere, which are refused', async () => {
    hub.ranges('wrong');
    hub.cut('model.safetensors', 5000);
    expect(await codeOf(fetchModel('hf:team/tiny', quiet))).toBe('hub.invalid');
  });

  it('or a cache whose refs and lists hold anything: nothing outside it is read', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const repo = join(home, 'hub/datasets--team--data');
    mkdirSync(join(repo, 'refs'), { recursive: true });
    writeFileSync(join(home, 'secret.jsonl'), '{"prompt": "x"}');
    for (const ref of ['../../../..', '', 'a'.repeat(40), '\0', '../'.repeat(20)]) {
      writeFileSync(join(repo, 'refs/main'), ref);
      expect(await codeOf(fetchData('hf:datasets/team/data', quiet))).toBe('hub.unavailable');
    }
    const lists = join(repo, '.soliloquy', 'a'.repeat(40));
    mkdirSync(lists, { recursive: true });
    writeFileSync(join(repo, 'refs/main'), 'a'.repeat(40));
    for (const text of ['["../../../../secret.jsonl"]', '{', '[7]', '["gone.jsonl"]']) {
      writeFileSync(join(lists, `${sha256Of(Buffer.from(''))}.json`), text);
      expect(await codeOf(fetchData('hf:datasets/team/data', quiet))).toBe('hub.unavailable');
    }
  });

  it('is no matter to ids: any text is an id that stays inside, or wrong usage', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-c./@:-]{0,30}$/)).map((rest) => `hf:${rest}`);
    fc.assert(
      fc.property(text, (id) => {
        try {
          const parsed = parseHubId(id);
          expect(parseHubId(hubText(parsed))).toEqual(parsed);
          for (const part of [parsed.name, parsed.revision, parsed.path ?? 'x'])
            expect(join('/a/b', part).startsWith('/a/b/')).toBe(true);
        } catch (error) {
          expect(isSoliloquyError(error) && error.code).toBe('usage');
        }
      }),
      run(2000),
    );
  });
});

const python = process.env.SOLILOQUY_PYTHON;
const noPython = python && existsSync(python) ? false : 'SOLILOQUY_PYTHON is not set';
const inPython = (code: string, env: Record<string, string> = {}): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile(
      python!,
      ['-c', code],
      { env: { ...process.env, HF_HUB_DISABLE_PROGRESS_BARS: '1', ...env } },
      (error, out, err) => (error ? reject(new Error(err)) : resolve(out.trim())),
    ),
  );

describe.skipIf(noPython)('the cache and Python’s huggingface_hub', () => {
  it('reads what we put there, offline, and finds nothing wrong with it', async () => {
    hub.put('datasets/team/data', { 'data/a.jsonl': '{}', 'b.parquet': 'PAR1' });
    await fetchData('hf:datasets/team/data', quiet);
    const { path } = await fetchModel('hf:team/tiny', quiet);
    const code = `
from huggingface_hub import snapshot_download, hf_hub_download, scan_cache_dir, try_to_load_from_cache
import os
info = scan_cache_dir()
assert not info.warnings, info.warnings
assert sorted(r.repo_id for r in info.repos) == ['team/data', 'team/tiny']
assert open(hf_hub_download('team/data', 'data/a.jsonl', repo_type='dataset')).read() == '{}'
assert hf_hub_download('team/tiny', 'config.json').endswith('config.json')
print(snapshot_download('team/tiny'))`;
    expect(await inPython(code, { HF_HUB_OFFLINE: '1' })).toBe(path);
  });

  it('is read by us where Python put it, offline', async () => {
    const code = `
from huggingface_hub import snapshot_download
print(snapshot_download('team/tiny', allow_patterns=['*.json', '*.safetensors']))`;
    const path = await inPython(code);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await fetchModel('hf:team/tiny', quiet)).toEqual({ pinned: `hf:team/tiny@${commit}`, path });
    expect(modelFolder('hf:team/tiny')).toBe(path);
    await readCheckpoint(cachedModel('hf:team/tiny').path);
  });
});
