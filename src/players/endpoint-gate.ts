/**
 * So many at once and no more; the others in the order in which they came.
 */
export interface Gate {
  through<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function createGate(most: number): Gate {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return {
    async through(work, signal) {
      if (inside < most) inside++;
      else await new Promise<void>((resolve) => waiting.push(resolve)); // who leaves hands on its place
      try {
        signal.throwIfAborted();
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else inside--;
      }
    },
  };
}
