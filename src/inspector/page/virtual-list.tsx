/**
 * A list of any length of which only what is seen is in the page: rows of one height, placed by @tanstack/virtual-core. Browsers
 * draw no element higher than some 16 million pixels, so that a longer list is scrolled on a smaller scale. A listbox for the
 * keyboard and for readers of the screen. Owns scrolling; which row is chosen is the caller's.
 */
import './virtual-list.css';
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef } from 'preact/hooks';

/** Pixels that every browser can draw. */
const LONGEST = 8_000_000;

export interface VirtualListProps {
  readonly id: string;
  readonly label: string;
  readonly count: number;
  readonly rowHeight: number;
  readonly chosen: number | null;
  /** Brought into view where nothing is chosen. */
  readonly near?: number | null;
  readonly row: (index: number) => ComponentChildren;
  readonly onShow: (first: number, last: number) => void;
  readonly onChoose: (index: number) => void;
  readonly onOpen: (index: number) => void;
  /** Whoever is at the end stays there while the list grows. */
  readonly startAtEnd?: boolean;
}

interface Scale {
  /** Pixels of the list per pixel of the scroll bar. */
  ratio: number;
  shown: number;
}

function scaleOf(count: number, rowHeight: number, view: number): Scale {
  const whole = count * rowHeight;
  const shown = Math.min(whole, LONGEST);
  return { shown, ratio: whole === shown ? 1 : (whole - view) / (shown - view) };
}

const STEPS: Readonly<Record<string, (page: number, count: number) => number>> = {
  ArrowUp: () => -1,
  ArrowDown: () => 1,
  PageUp: (page) => -page,
  PageDown: (page) => page,
  Home: (_page, count) => -count,
  End: (_page, count) => count,
};

function useVirtualizer({ count, rowHeight }: VirtualListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const scale = useRef<Scale>({ ratio: 1, shown: 0 });
  scale.current = scaleOf(count, rowHeight, box.current?.clientHeight ?? 0);
  const options = {
    count,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    observeElementRect,
    observeElementOffset: (
      own: Virtualizer<HTMLDivElement, Element>,
      tell: (offset: number, isScrolling: boolean) => void,
    ) => observeElementOffset(own, (offset, isScrolling) => tell(offset * scale.current.ratio, isScrolling)),
    scrollToFn: (
      offset: number,
      how: { adjustments?: number; behavior?: 'auto' | 'smooth' | 'instant' },
      own: Virtualizer<HTMLDivElement, Element>,
    ) => elementScroll(offset / scale.current.ratio, how, own),
    onChange: () => draw(0),
  };
  const virtual = useMemo(() => new Virtualizer<HTMLDivElement, Element>(options), []);
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  return { box, virtual, scale: scale.current };
}

export function VirtualList(props: VirtualListProps) {
  const { id, label, count, rowHeight, chosen, row, onShow, onChoose, onOpen, startAtEnd = false } = props;
  const shown = chosen ?? props.near ?? null;
  const { box, virtual, scale } = useVirtualizer(props);
  const atEnd = useRef(startAtEnd);
  const items = virtual.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const page = Math.max(1, Math.floor((box.current?.clientHeight ?? rowHeight) / rowHeight) - 1);

  useEffect(() => onShow(first, last), [first, last, count, onShow]);
  useLayoutEffect(() => {
    if (atEnd.current && count > 0) box.current!.scrollTop = box.current!.scrollHeight;
  }, [count]);
  useLayoutEffect(() => {
    if (shown === null || shown >= count) return;
    const element = box.current!;
    const top = element.scrollTop * scale.ratio;
    const isSeen = shown * rowHeight >= top && (shown + 1) * rowHeight <= top + element.clientHeight;
    if (isSeen) return;
    const isAbove = shown * rowHeight < top;
    const isFar = Math.abs(shown * rowHeight - top) > 2 * element.clientHeight;
    const wanted = isFar
      ? (shown + 0.5) * rowHeight - element.clientHeight / 2
      : isAbove
        ? shown * rowHeight
        : (shown + 1) * rowHeight - element.clientHeight;
    element.scrollTop = wanted / scale.ratio;
  }, [shown, shown !== null && shown < count]);

  const step = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey || count === 0) return;
    if (event.key === 'Enter' && chosen !== null) onOpen(chosen);
    else if (Object.hasOwn(STEPS, event.key)) {
      const from = shown ?? (atEnd.current ? count : -1);
      onChoose(Math.min(count - 1, Math.max(0, from + STEPS[event.key]!(page, count))));
    } else return;
    event.preventDefault();
  };
  // A browser may tell of a scroll when the list is gone already.
  const heard = () => {
    if (!box.current) return;
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    atEnd.current = scrollTop + clientHeight >= scrollHeight - rowHeight / scale.ratio;
  };
  const top = (box.current?.scrollTop ?? 0) - (virtual.scrollOffset ?? 0);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a listbox, or an empty group that will be one
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: the same
    <div
      class="virtual-list"
      ref={box}
      id={id}
      onScroll={heard}
      onKeyDown={step}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the same
      tabIndex={0}
      {...(count > 0 ? { role: 'listbox' as const } : { role: 'group' as const })}
      aria-label={label}
      {...(chosen !== null && count > 0 ? { 'aria-activedescendant': `${id}-${chosen}` } : {})}
    >
      <div class="virtual-rows" role="presentation" style={{ height: `${scale.shown}px` }}>
        {items.map(({ index, start }) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the listbox has the focus; its active descendant is told
          // biome-ignore lint/a11y/useKeyWithClickEvents: the listbox hears the keys
          <div
            key={index}
            id={`${id}-${index}`}
            class="virtual-row"
            role="option"
            aria-selected={index === chosen}
            aria-setsize={count}
            aria-posinset={index + 1}
            style={{ height: `${rowHeight}px`, transform: `translateY(${start + top}px)` }}
            onClick={() => onChoose(index)}
            onDblClick={() => onOpen(index)}
          >
            {row(index)}
          </div>
        ))}
      </div>
    </div>
  );
}
