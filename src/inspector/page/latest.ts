/**
 * Questions that follow each other fast, such as those of a slider that is drawn: one is under way at most, and of those that
 * came meanwhile only the last is asked. So answers keep coming, and none piles up.
 */
export function latest<A>(asks: (about: A) => Promise<void>): (about: A) => void {
  let busy = false;
  let next: { readonly about: A } | null = null;
  const work = async (about: A): Promise<void> => {
    busy = true;
    try {
      await asks(about);
    } finally {
      busy = false;
      const waiting = next;
      next = null;
      if (waiting) void work(waiting.about);
    }
  };
  return (about) => {
    if (busy) next = { about };
    else void work(about);
  };
}
