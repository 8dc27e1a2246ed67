/** A folder that goes away with its test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export function testFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'soliloquy-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
