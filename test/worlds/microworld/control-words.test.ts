import { describe, expect, it } from 'vitest';
import { FORMAT } from '../../../src/worlds/microworld/format.js';
import { SPECIALS } from '../../../src/worlds/microworld/vocabulary.js';

describe('control words', () => {
  it('end every kind of text, so that no response can speak in the judge’s place', () => {
    for (const stop of Object.values(FORMAT.stop)) expect([...stop].sort()).toEqual([...SPECIALS].sort());
  });
});
