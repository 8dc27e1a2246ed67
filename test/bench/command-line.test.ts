/** The benchmark's command line, and what it says where Python is missing. */
import { CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseOptions } from '../../bench/options.js';
import { skippedLines } from '../../bench/peers/contest.js';
import { skippedPeers, startPeers } from '../../bench/peers/process.js';

describe('options', () => {
  beforeEach(() => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([
    ['an unknown option', '--nothing', ['--nothing']],
    ['an unknown size', '"XL"', ['--peers', '--sizes', 'S,XL']],
    ['an unknown part', '"speed"', ['--peers', '--only', 'speed']],
    ['no rounds', '--rounds', ['--rounds', '0']],
    ['half a worker', '--workers', ['--peers', '--workers', '0.5']],
    ['an unknown backend', 'abacus', ['--backend', 'abacus']],
    ['an argument', 'arguments', ['S']],
    ['what only peers have', '--sizes needs --peers', ['--sizes', 'S']],
  ])('%s is wrong usage, and says so', (_what, said, argv) => {
    try {
      parseOptions(argv, {});
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(CommanderError);
      expect((error as CommanderError).exitCode).not.toBe(0);
      expect((error as CommanderError).message).toContain(said);
    }
  });

  it('lists are taken in any order and case; what was given wins over the environment', () => {
    const options = parseOptions(['--peers', '--sizes', 'm,xs', '--python', '/a/python'], {
      SOLILOQUY_PYTHON: '/b/python',
    });
    expect(options).toMatchObject({
      peers: true,
      sizes: ['XS', 'M'],
      python: '/a/python',
      rounds: undefined,
    });
    expect(options.only).toEqual(['sampling', 'training', 'iteration', 'scaling']);
  });

  it('Python is SOLILOQUY_PYTHON, else python3', () => {
    expect(parseOptions([], { SOLILOQUY_PYTHON: '/b/python' }).python).toBe('/b/python');
    expect(parseOptions([], { SOLILOQUY_PYTHON: '' }).python).toBe('python3');
    expect(parseOptions([], {}).python).toBe('python3');
  });
});

describe('peers that are missing', () => {
  it('without Python all are skipped, each with the way out', async () => {
    const peers = await startPeers('/nonexistent', 1);
    expect(peers.skipped.map(({ peer }) => peer)).toEqual(['transformers', 'lean', 'eager', 'trl']);
    expect(peers.has('lean')).toBe(false);
    for (const line of skippedLines(peers.skipped))
      expect(line).toMatch(/^skipped: .*\/nonexistent.*\n {2}way out: .*--python PATH/);
    await peers.close();
  });

  it('without TRL only its trainers are skipped, without torch everything', () => {
    const found = { python: '3.11', torch: '2', transformers: '5' };
    const [trl, ...others] = skippedPeers('py', { found, missing: { trl: 'ModuleNotFoundError: trl' } });
    expect(others).toEqual([]);
    expect(trl).toMatchObject({ peer: 'trl', reason: 'trl: ModuleNotFoundError: trl' });
    expect(trl!.fix).toContain('py -m pip install trl');
    expect(skippedPeers('py', { found: { python: '3.11' }, missing: {} })).toHaveLength(4);
  });
});
