/** Anything of the log as a tree to open and close: texts as text, whitespace kept, long ones shortened until asked for. */
import { useState } from 'preact/hooks';

const SHORT = 600;
const FEW = 50;

export function Words({ text }: { text: string }) {
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

const isNumbers = (list: readonly unknown[]) => list.every((one) => typeof one === 'number');

function Many({ entries, depth }: { entries: readonly (readonly [string, unknown])[]; depth: number }) {
  const [all, showAll] = useState(false);
  return (
    <ul>
      {(all ? entries : entries.slice(0, FEW)).map(([key, value]) => (
        <li key={key}>
          <Tree name={key} value={value} depth={depth} />
        </li>
      ))}
      {entries.length > FEW && !all && (
        <li>
          <button type="button" class="more" onClick={() => showAll(true)}>
            show all {entries.length}
          </button>
        </li>
      )}
    </ul>
  );
}

/** `depth`: levels that are open at first. */
export function Tree({ name, value, depth = 2 }: { name: string; value: unknown; depth?: number }) {
  if (typeof value === 'string')
    return (
      <div class="leaf">
        <span class="key">{name}</span> <Words text={value} />
      </div>
    );
  if (value === null || typeof value !== 'object')
    return (
      <div class="leaf">
        <span class="key">{name}</span> <span class="value">{String(value)}</span>
      </div>
    );
  if (Array.isArray(value) && isNumbers(value))
    return (
      <div class="leaf">
        <span class="key">{name}</span> <Words text={`[${value.join(', ')}]`} />
      </div>
    );
  const entries = Object.entries(value);
  return (
    <details open={depth > 0}>
      <summary>
        <span class="key">{name}</span>{' '}
        <span class="muted">{Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`}</span>
      </summary>
      <Many entries={entries} depth={depth - 1} />
    </details>
  );
}
