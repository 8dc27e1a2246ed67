/** Filters of the script; all of them stand in the address. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { go } from './address.js';
import { FILTERS, type FilterName, facts, filter, isFiltered, list, searched } from './script-data.js';

const set = (name: FilterName, value: string) => go({ query: { [name]: value } });
const TYPING_MS = 250;

const OTHERS = ['episode', 'model', 'scorer', 'world', 'evaluator', 'user', 'record'];

function Choice({
  name,
  label,
  all,
  options,
}: {
  name: FilterName;
  label: string;
  all: string;
  options: readonly { readonly name: string; readonly count?: number }[];
}) {
  const value = filter.value[name];
  const isListed = value === '' || options.some((one) => one.name === value);
  return (
    <label>
      <span>{label}</span>
      <select value={value} onChange={({ currentTarget }) => set(name, currentTarget.value)}>
        <option value="">{all}</option>
        {!isListed && <option value={value}>{value}</option>}
        {options.map(({ name: one, count }) => (
          <option key={one} value={one}>
            {one}
            {count === undefined ? '' : ` (${count.toLocaleString('en')})`}
          </option>
        ))}
      </select>
    </label>
  );
}

function Typed({
  name,
  label,
  id,
  hint,
}: {
  name: 'text' | 'episode';
  label: string;
  id: string;
  hint: string;
}) {
  const value = filter.value[name];
  // What is being typed: a letter may come while the list is filtered by those before it.
  const [draft, setDraft] = useState<string | null>(null);
  const sent = useRef(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const send = (typed: string) => {
    clearTimeout(timer.current);
    if (typed === sent.current) return;
    sent.current = typed;
    set(name, typed);
  };
  const type = (typed: string) => {
    setDraft(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(typed), TYPING_MS);
  };
  const leave = () => {
    if (draft !== null) send(draft);
    setDraft(null);
  };
  useEffect(() => {
    if (value === sent.current) return;
    // Somebody else changed it: the button Clear, a step back.
    sent.current = value;
    clearTimeout(timer.current);
    setDraft(null);
  }, [value]);
  return (
    <label>
      <span>{label}</span>
      <input
        id={id}
        type="search"
        value={draft ?? value}
        placeholder={hint}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => type(currentTarget.value)}
        onBlur={leave}
      />
    </label>
  );
}

function Told() {
  if (!searched.value) return <p class="told">…</p>;
  const { searched: done, of } = searched.value;
  const total = list.value?.total ?? 0;
  const share = of === 0 ? 1 : done / of;
  return (
    <p class="told" role="status">
      {total.toLocaleString('en')} {isFiltered.value ? 'found' : 'messages'}
      {share < 1 && (
        <>
          {', searched '}
          <progress value={share} max={1} aria-label="searched" /> {Math.floor(100 * share)} %
        </>
      )}
    </p>
  );
}

export function ScriptFilter() {
  const { roles = [], types = [], phases = [] } = facts.value ?? {};
  return (
    <search class="filters">
      <Typed name="text" label="Search" id="script-search" hint="any text   /" />
      <Choice
        name="role"
        label="Role"
        all="everybody"
        options={[...roles, ...OTHERS].map((name) => ({ name }))}
      />
      <Choice name="type" label="Type" all="all types" options={types} />
      <Choice name="phase" label="Phase" all="whole run" options={phases} />
      <Typed name="episode" label="Episode" id="script-episode" hint="1-0042" />
      {isFiltered.value && (
        <button
          type="button"
          onClick={() => go({ query: Object.fromEntries(FILTERS.map((name) => [name, ''])) })}
        >
          Clear
        </button>
      )}
      <Told />
    </search>
  );
}
