/** Keeps a view's answer up with the run: asked again at most once a second, and only while the view is open. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Metric } from '../../protocol/messages.js';
import type { MeasuredVersion, Progress } from '../progress-facts.js';
import { get } from './api.js';
import { head, run } from './live.js';

export interface Kept<T> {
  readonly value: T | null;
  readonly failure: string | null;
}

const EVERY_MS = 1000;
/** An answer that is still being made is asked for sooner. */
const SOON_MS = 250;

/** `isDue`: whether what is known is to be asked again. A new key begins anew. */
export function useKept<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
  isDue: (known: T) => 'soon' | boolean,
): Kept<T> {
  const [kept, keep] = useState<Kept<T>>({ value: null, failure: null });
  const asks = useRef({ ask, isDue });
  asks.current = { ask, isDue };
  useEffect(() => {
    const own = new AbortController();
    let known: T | null = null;
    let timer: number | undefined;
    keep({ value: null, failure: null });
    const look = async () => {
      const due = known === null || asks.current.isDue(known);
      if (due)
        try {
          known = await asks.current.ask(own.signal);
          if (!own.signal.aborted) keep({ value: known, failure: null });
        } catch (error) {
          if (!own.signal.aborted)
            keep({ value: known, failure: error instanceof Error ? error.message : String(error) });
        }
      if (own.signal.aborted) return;
      const soon = known !== null && asks.current.isDue(known) === 'soon';
      timer = window.setTimeout(() => void look(), soon ? SOON_MS : EVERY_MS);
    };
    if (key !== '') void look();
    return () => {
      own.abort();
      window.clearTimeout(timer);
    };
  }, [key]);
  return kept;
}

/** Of a run beside, no event tells that it grew: it is asked for now and then. */
const ELSEWHERE_MS = 4000;

export function useProgress(name: string): Kept<Progress> {
  const asked = useRef(0);
  return useKept(
    name,
    (signal) => {
      asked.current = performance.now();
      return get<Progress>(name, 'progress', {}, signal);
    },
    ({ count, folded }) => {
      if (folded < count) return 'soon';
      if (name === run.value) return head.value !== null && head.value.count !== count;
      return performance.now() - asked.current > ELSEWHERE_MS;
    },
  );
}

export const metricIn = (measured: MeasuredVersion | undefined, name: string): Metric | undefined =>
  measured?.metrics.find((metric) => metric.name === name);

/** Those whose measuring is over. */
export const measuredIn = ({ measured }: Progress): (MeasuredVersion & { readonly seq: number })[] =>
  measured.filter((one): one is MeasuredVersion & { readonly seq: number } => one.seq !== null);

/** Versions in the order in which they were measured, of all runs given; each once. */
export function versionsIn(all: readonly Progress[]): string[] {
  const longest = [...all].sort((a, b) => b.measured.length - a.measured.length);
  return [...new Set(longest.flatMap((one) => measuredIn(one).map(({ version }) => version)))];
}
