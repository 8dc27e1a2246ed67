/** A link within the page: the address changes, the page stays; it opens in another tab as any link does. */
import type { ComponentChildren } from 'preact';
import { go, hrefOf, type Place, placeWith } from './address.js';

interface GoProps {
  readonly to: Partial<Place>;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
  readonly current?: boolean;
}

export function Go({ to, children, current = false, ...rest }: GoProps) {
  return (
    <a
      {...rest}
      {...(current ? { 'aria-current': 'page' as const } : {})}
      href={hrefOf(placeWith(to))}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
