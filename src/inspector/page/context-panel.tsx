/** What a machine holds at the moment that is looked at. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { context } from '../reading.js';
import { go } from './address.js';
import { get } from './api.js';
import { latest } from './latest.js';
import { run, tell } from './live.js';
import { Tree } from './tree.jsx';

type Found = ReturnType<typeof context>;
interface Wanted {
  readonly name: string;
  readonly address: string;
  readonly seq: number;
}
const found = signal<(Found & { readonly name: string }) | null>(null);

const ask = latest(async ({ name, address, seq }: Wanted) => {
  try {
    found.value = { name, ...(await get<Found>(name, 'context', { address, seq })) };
  } catch (error) {
    tell(error);
  }
});

export function ContextPanel({ address, seq }: { readonly address: string; readonly seq: number }) {
  const name = run.value;
  useEffect(() => ask({ name, address, seq }), [name, address, seq]);
  const own = found.value?.address === address && found.value.name === name ? found.value : null;
  return (
    <aside class="context" aria-label={`Context of ${address}`} aria-busy={own?.seq !== seq}>
      <header>
        <h3>{address}</h3>
        <button type="button" onClick={() => go({ query: { context: '' } })} aria-label="Close the context">
          ×
        </button>
      </header>
      {own && (
        <>
          <p>
            {own.state}, {own.seq < 0 ? 'before its first message' : `after message ${own.seq}`}
          </p>
          <div class="tree">
            <Tree name="context" value={own.context} levels={1} />
          </div>
        </>
      )}
    </aside>
  );
}
