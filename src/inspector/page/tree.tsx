/**
 * Any JSON as a tree that opens where one looks: texts of models stand as text, long ones shortened until one asks for all.
 */
import { useState } from 'preact/hooks';

/** Characters of a text, and items of a list, that are shown at first. */
const SHORT = 240;
const FEW = 40;

function Text({ text }: { readonly text: string }) {
  const [all, setAll] = useState(false);
  const isLong = text.length > SHORT;
  return (
    <span class="text">
      “{all || !isLong ? text : text.slice(0, SHORT)}
      {isLong && !all ? '…' : '”'}
      {isLong && (
        <button type="button" onClick={() => setAll(!all)}>
          {all ? 'show less' : `show all ${text.length.toLocaleString('en')} characters`}
        </button>
      )}
    </span>
  );
}

const sizeOf = (value: object): string => {
  const many = Object.keys(value).length;
  return Array.isArray(value) ? `[${many}]` : `{${many}}`;
};

function Entries({ value, depth }: { readonly value: object; readonly depth: number }) {
  const [most, setMost] = useState(FEW);
  const entries = Object.entries(value);
  return (
    <ul>
      {entries.slice(0, most).map(([key, inner]) => (
        <li key={key}>
          <Tree name={key} value={inner} depth={depth + 1} />
        </li>
      ))}
      {entries.length > most && (
        <li>
          <button type="button" onClick={() => setMost(most + 10 * FEW)}>
            {(entries.length - most).toLocaleString('en')} more
          </button>
        </li>
      )}
    </ul>
  );
}

interface TreeProps {
  readonly name: string;
  readonly value: unknown;
  readonly depth?: number;
}

export function Tree({ name, value, depth = 0 }: TreeProps) {
  const [open, setOpen] = useState(depth === 0);
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return (
      <span class="leaf">
        <span class="key">{name}</span>{' '}
        {typeof value === 'string' ? <Text text={value} /> : <code>{JSON.stringify(value) ?? '—'}</code>}
      </span>
    );
  return (
    <details open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <span class="key">{name}</span> <span class="size">{sizeOf(value)}</span>
      </summary>
      {open && <Entries value={value} depth={depth} />}
    </details>
  );
}
