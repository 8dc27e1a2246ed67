/** A recorded run, and those beside it, under a real inspector with the page of dist/. */
import { join } from 'node:path';
import { type BoundHouse, createHouse } from '../../src/cli/inspector-house.js';
import { startInspector } from '../../src/inspector/server.js';

export interface Inspected {
  /** Address of a page, such as `/one/script?seq=3`. */
  readonly at: (path: string) => string;
  readonly house: BoundHouse;
  close(): Promise<void>;
}

export async function inspect(run: string): Promise<Inspected> {
  const house = createHouse({ run });
  const page = join(import.meta.dirname, '../../dist/page');
  const inspector = await startInspector({ house, page, port: 0 });
  return {
    at: (path) => `http://127.0.0.1:${inspector.port}${path}`,
    house,
    async close() {
      await inspector.close();
      house.close();
    },
  };
}
