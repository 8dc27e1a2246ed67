/**
 * All who write to each other, with the message on its way, and for whom the one model works. Each is a link to the script of
 * what it said and heard.
 */
import type { Moment } from '../moments.js';
import { Go } from './go.jsx';
import { isFlowing, moment } from './live.js';

const ADDRESSEES = [
  'user',
  'coordinator',
  'generator',
  'episode',
  'responder',
  'judge',
  'trainer',
  'model',
  'world',
  'scorer',
  'evaluator',
  'record',
] as const;
type Addressee = (typeof ADDRESSEES)[number];

const nameOf = (address: string): string => (address.startsWith('episode:') ? 'episode' : address);
const shortState = (state: string | null): string => state?.split('.').at(-1) ?? '';

/** Middle of an addressee's column, in percent. */
const middleOf = (address: string): number => {
  const at = ADDRESSEES.indexOf(nameOf(address) as Addressee);
  return (100 * (at + 0.5)) / ADDRESSEES.length;
};

function underName(name: Addressee, { roles, episode, playing }: Moment): string {
  if (name === 'model') return playing === null ? '' : `as ${nameOf(playing)}`;
  if (name === 'episode') return shortState(episode?.state ?? null);
  return shortState(roles.find(({ role }) => role === name)?.state ?? null);
}

function Chip({ name, at }: { readonly name: Addressee; readonly at: Moment }) {
  const { message } = at;
  const says = message !== null && nameOf(message.from) === name;
  const hears = message !== null && nameOf(message.to) === name;
  return (
    <li>
      <Go
        to={{ view: 'script', query: { role: name } }}
        class={`addressee ${name}${says ? ' says' : ''}${hears ? ' hears' : ''}`}
        title={`what ${name} said and heard`}
      >
        <b>{name}</b>
        <small>{underName(name, at) || ' '}</small>
      </Go>
    </li>
  );
}

/** Down, along, up: from the one who says it to the one who hears it. */
function Way({ from, to }: { readonly from: string; readonly to: string }) {
  const [x1, x2] = [`${middleOf(from)}%`, `${middleOf(to)}%`];
  return (
    <svg class="way" aria-hidden="true">
      <line x1={x1} x2={x1} y1="0" y2="12" />
      <line x1={x1} x2={x2} y1="12" y2="12" class={isFlowing.value ? '' : 'along'} />
      <line x1={x2} x2={x2} y1="12" y2="6" />
      <g style={{ transform: `translateX(${x2})`, transformBox: 'view-box' }}>
        <path d="M0 0 L5 7 L-5 7 Z" />
      </g>
    </svg>
  );
}

function Words({ at: { message, playing } }: { readonly at: Moment }) {
  if (message === null) return <p class="said">before the first message</p>;
  const { seq, from, to, type } = message;
  const role = [from, to].includes('model') && playing !== null ? `, the model as ${nameOf(playing)}` : '';
  return (
    <p class="said">
      <Go to={{ view: 'script', query: { seq: String(seq), role: '' } }}>message {seq}</Go> {from} → {to}:{' '}
      <b>{type}</b>
      {role}
    </p>
  );
}

export function Addressees() {
  const at = moment.value;
  if (at === null) return null;
  const { message } = at;
  return (
    <section class="addressees" aria-label="Who writes to whom">
      <ul>
        {ADDRESSEES.map((name) => (
          <Chip key={name} name={name} at={at} />
        ))}
      </ul>
      {message && <Way key={message.seq} from={message.from} to={message.to} />}
      <Words at={at} />
    </section>
  );
}
