/** In what two configs differ, and both logs around the first message that is not the same. */
import type { AroundRow, Compared } from '../compare.js';
import { Go } from './go.jsx';
import { toMessage } from './plot-lines.jsx';

export function Changes({ compared: { changes, runs } }: { compared: Compared }) {
  if (changes.length === 0) return <p class="none">In nothing: they are configured alike.</p>;
  return (
    <table class="changes">
      <thead>
        <tr>
          <th scope="col">Option</th>
          {runs.map((name, i) => (
            <th scope="col" key={name} class={i === 0 ? 'run-a' : 'run-b'}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {changes.map(({ path, a, b }) => (
          <tr key={path} data-path={path}>
            <th scope="row">{path}</th>
            {[a, b].map((value, i) => (
              <td key={i === 0 ? 'a' : 'b'}>
                {value === null ? <small>absent</small> : <code>{value}</code>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What both begin and end with is plain; what is between differs. */
function Differing({ text, other }: { text: string; other: string }) {
  const least = Math.min(text.length, other.length);
  let start = 0;
  while (start < least && text[start] === other[start]) start++;
  let end = 0;
  while (end < least - start && text[text.length - 1 - end] === other[other.length - 1 - end]) end++;
  return (
    <>
      {text.slice(0, start)}
      <mark>{text.slice(start, text.length - end)}</mark>
      {text.slice(text.length - end)}
    </>
  );
}

interface LogProps {
  readonly name: string;
  readonly rows: readonly AroundRow[];
  readonly common: number;
  readonly side: 'a' | 'b';
  /** Text of the other log's first message that differs. */
  readonly other: string | null;
}

interface MessageProps extends Pick<LogProps, 'name' | 'other'> {
  readonly row: AroundRow;
  readonly state: 'same' | 'first' | 'after';
}

function Message({ row, name, state, other }: MessageProps) {
  return (
    <li class={state} data-seq={row.seq}>
      <Go to={toMessage(row.seq, name)}>#{row.seq}</Go>
      <span>
        <b>{row.type}</b>{' '}
        <small>
          {row.from} → {row.to}
        </small>
        {state === 'first' && <em> the first that differs</em>}
        <span class="text">
          {state === 'first' && other !== null ? <Differing text={row.text} other={other} /> : row.text}
        </span>
      </span>
    </li>
  );
}

function Log({ name, rows, common, side, other }: LogProps) {
  const stateOf = (seq: number) => (seq < common ? 'same' : seq === common ? 'first' : 'after');
  return (
    <div class={`log run-${side}`} data-log={name}>
      <h3>{name}</h3>
      <ol>
        {rows.map((row) => (
          <Message key={row.seq} row={row} name={name} state={stateOf(row.seq)} other={other} />
        ))}
        {!rows.some(({ seq }) => seq >= common) && <li class="ends">Its log ends here.</li>}
      </ol>
    </div>
  );
}

function Sentence({ compared: { parting, counts, isSettled } }: { compared: Compared }) {
  const { common, a, b } = parting!;
  if (!isSettled) return <>They say the same for {common.toLocaleString('en')} messages so far …</>;
  if (!a && !b) return <>Both say the same to the end: {counts[0]} messages.</>;
  if (common === 0) return <>They differ from the first message on.</>;
  return (
    <>
      They say the same for <strong>{common.toLocaleString('en')}</strong> messages. Message{' '}
      <strong data-parting={common}>{common}</strong> is the first that{' '}
      {a && b ? 'differs' : 'only one of them holds'}.
    </>
  );
}

/** Logs of several workers may hold the same facts in another order: then the first difference says little. */
function Facts({ compared: { otherFacts, runs } }: { compared: Compared }) {
  if (!otherFacts) return null;
  const both = [otherFacts.a, otherFacts.b];
  if (both.every((one) => one === null))
    return (
      <p class="facts">
        Whatever the order: both hold the same prompts, answers, judgements, pairs and versions.
      </p>
    );
  return (
    <div class="facts">
      <p>
        Whatever the order, the first prompt, answer, judgement, pair or version that only one of them holds:
      </p>
      <ul>
        {both.map((one, i) => (
          <li key={i === 0 ? 'a' : 'b'} data-fact={runs[i]}>
            <b class={i === 0 ? 'run-a' : 'run-b'}>{runs[i]}</b>{' '}
            {one === null ? 'none' : <Go to={toMessage(one.seq, runs[i]!)}>#{one.seq}</Go>}{' '}
            {one && <span class="text">{one.text}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Parting({ compared }: { compared: Compared }) {
  const { parting, runs, around } = compared;
  if (!parting) return <p class="none">Looking for it …</p>;
  return (
    <>
      <p class="parts-at">
        <Sentence compared={compared} />
      </p>
      <div class="logs">
        {([0, 1] as const).map((i) => (
          <Log
            key={runs[i]}
            name={runs[i]}
            rows={around[i]}
            common={parting.common}
            side={i === 0 ? 'a' : 'b'}
            other={around[1 - i]!.find(({ seq }) => seq === parting.common)?.text ?? null}
          />
        ))}
      </div>
      <Facts compared={compared} />
    </>
  );
}
