/**
 * Anything of the log as a tree that opens where one looks: texts as text, whitespace kept, long ones shortened until asked for.
 */
import './tree.css';
import { useState } from 'preact/hooks';

/** Characters of a text, and items of a list, that are shown at first. */
const SHORT = 600;
const FEW = 50;

export function Words({ text }: { readonly text: string }) {
  const [all, showAll] = useState(false);
  const isLong = text.length > SHORT;
  return (
    <>
      <bdi class="words">{isLong && !all ? `${text.slice(0, SHORT)}…` : text}</bdi>
      {isLong && (
        <button type="button" class="more" onClick={() => showAll(!all)}>
          {all ? 'show less' : `show all ${text.length.toLocaleString('en')} characters`}
        </button>
      )}
    </>
  );
}

/** On one line, or undefined where it is to be opened. */
function lineOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return String(value);
  if (!Array.isArray(value)) return Object.keys(value).length === 0 ? '{}' : undefined;
  return value.every((one) => typeof one === 'number') ? `[${value.join(', ')}]` : undefined;
}

function Entries({ value, levels }: { readonly value: object; readonly levels: number }) {
  const [most, setMost] = useState(FEW);
  const entries = Object.entries(value);
  return (
    <ul class="branches">
      {entries.slice(0, most).map(([key, inner]) => (
        <li key={key}>
          <Tree name={key} value={inner} levels={levels} />
        </li>
      ))}
      {entries.length > most && (
        <li>
          <button type="button" class="more" onClick={() => setMost(most + 10 * FEW)}>
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
  /** So many are open at first; what is closed isn't drawn. */
  readonly levels: number;
}

export function Tree({ name, value, levels }: TreeProps) {
  const [open, setOpen] = useState(levels > 0);
  const line = lineOf(value);
  if (line !== undefined)
    return (
      <div class="leaf">
        <span class="key">{name}</span>{' '}
        {typeof value === 'object' || typeof value === 'string' ? (
          <Words text={line} />
        ) : (
          <span class="value">{line}</span>
        )}
      </div>
    );
  const inner = value as object;
  const many = Object.keys(inner).length;
  return (
    <details open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <span class="key">{name}</span>{' '}
        <span class="size">{Array.isArray(inner) ? `[${many}]` : `{${many}}`}</span>
      </summary>
      {open && <Entries value={inner} levels={levels - 1} />}
    </details>
  );
}
