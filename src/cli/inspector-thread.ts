/**
 * The thread of a live run's inspector: its house and server, and the messages from and to the run.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Control } from '../inspector/house.js';
import { startInspector } from '../inspector/server.js';
import { reasonOf } from '../protocol/errors.js';
import { createHouse } from './inspector-house.js';
import type { FromInspector, InspectorSetup, ToInspector } from './live-inspector.js';
import { pageFolder } from './package.js';
import { openStately } from './stately-feed.js';

const { run, from, page, stately } = workerData as InspectorSetup;
const tell = (message: FromInspector) => parentPort!.postMessage(message);

const state = { held: false, ended: false };
const does = (action: 'hold' | 'step' | 'release' | 'stop', held: boolean) => () => {
  state.held = held;
  tell({ kind: 'control', action });
};
const control: Control = {
  hold: does('hold', true),
  step: does('step', true),
  release: does('release', false),
  stop: does('stop', false),
  get held() {
    return state.held;
  },
  get ended() {
    return state.ended;
  },
};

/** The page, if it was asked for. */
async function openPage(at: number) {
  const house = createHouse({ run, live: { control, from } });
  const { watched } = house.open(house.home);
  const inspector = await startInspector({ house, page: pageFolder(), port: at });
  return {
    url: inspector.url,
    watched,
    async close() {
      await inspector.close();
      house.close();
    },
  };
}

try {
  const shown = page === null ? null : await openPage(page);
  const relay = stately && (await openStately({ run, ...stately }));
  parentPort!.on('message', (message: ToInspector) => {
    if (message.kind === 'states') shown?.watched.give(message.from, message.states);
    if (message.kind === 'ended') state.ended = true;
    if (message.kind === 'close')
      void Promise.all([shown?.close(), relay?.close()]).then(() => parentPort!.close());
  });
  tell({ kind: 'ready', url: shown?.url ?? null, stately: relay?.url ?? null });
} catch (error) {
  tell({ kind: 'failed', reason: reasonOf(error) });
}
