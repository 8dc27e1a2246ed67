/** Fork from here: another cast, option or fact from some message on. The server starts a run of its own; its page is opened. */
import { useEffect, useState } from 'preact/hooks';
import type { Started } from '../house.js';
import { ApiError, post } from './api.js';
import { Dialog } from './dialog.jsx';
import {
  CAST_ROLES,
  type CastRole,
  type Casts,
  commandOf,
  type ForkForm,
  playersFor,
  requestOf,
} from './fork-request.js';
import { moment, run } from './live.js';
import { at, last } from './playing.js';
import { page } from './run-page.js';

type Stand =
  | { readonly kind: 'asking' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'started'; readonly started: Started }
  | { readonly kind: 'failed'; readonly message: string; readonly fix: string | null };

const castsOf = (config: unknown): Casts => {
  const { cast = {} } = (config ?? {}) as { readonly cast?: Partial<Casts> };
  return Object.fromEntries(CAST_ROLES.map((role) => [role, cast[role] ?? ''])) as unknown as Casts;
};

const versionsNow = (): readonly string[] => page.value?.versions.map(({ name }) => name) ?? [];

interface FieldProps {
  readonly form: ForkForm;
  readonly change: (change: Partial<ForkForm>) => void;
}

function Place({ form, change }: FieldProps) {
  return (
    <label>
      From message
      <input
        value={form.at}
        list="fork-places"
        required
        pattern="\d+|M\d+|SFT"
        onInput={({ currentTarget }) => change({ at: currentTarget.value })}
      />
      <small>Messages before it are shared. M2 is the moment just before M2 is announced.</small>
      <datalist id="fork-places">
        {page.value?.versions.map(({ name, seq }) => (
          <option key={name} value={name}>
            message {seq}
          </option>
        ))}
      </datalist>
    </label>
  );
}

function Player({ role, form, change }: FieldProps & { readonly role: CastRole }) {
  return (
    <label>
      {role}
      <input
        value={form.cast[role]}
        list={`players-${role}`}
        spellcheck={false}
        onInput={({ currentTarget }) => change({ cast: { ...form.cast, [role]: currentTarget.value } })}
      />
      <datalist id={`players-${role}`}>
        {playersFor(role, versionsNow()).map((player) => (
          <option key={player} value={player} />
        ))}
      </datalist>
    </label>
  );
}

/** Beginning of a change of the fact that is looked at. */
function FactButton({ form, change }: FieldProps) {
  const message = moment.value?.message;
  if (!message) return null;
  const begin = `${message.type}@${message.seq}.`;
  return (
    <button
      type="button"
      onClick={() => change({ override: `${form.override.trimEnd()}\n${begin}`.trimStart() })}
    >
      Add {message.type} of message {message.seq}
    </button>
  );
}

function Lines({ form, change }: FieldProps) {
  return (
    <>
      <label>
        Other options, one a line
        <textarea
          rows={2}
          value={form.set}
          placeholder="dpo.beta=0.3"
          spellcheck={false}
          onInput={({ currentTarget }) => change({ set: currentTarget.value })}
        />
      </label>
      <label>
        Changed facts, one a line
        <textarea
          rows={2}
          value={form.override}
          placeholder="judgement@1234.score=2"
          spellcheck={false}
          onInput={({ currentTarget }) => change({ override: currentTarget.value })}
        />
      </label>
      <FactButton form={form} change={change} />
    </>
  );
}

/** Whole seconds since it is on the page. */
function useSeconds(): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return seconds;
}

function Starting() {
  const seconds = useSeconds();
  return (
    <p role="status">
      <progress aria-label="The fork starts" /> the shared messages are gone through … {seconds} s
    </p>
  );
}

function StandText({ stand }: { readonly stand: Stand }) {
  if (stand.kind === 'starting') return <Starting />;
  if (stand.kind === 'failed')
    return (
      <div role="alert" class="failed">
        <p>{stand.message}</p>
        {stand.fix && (
          <p>
            Way out: <code>{stand.fix}</code>
          </p>
        )}
      </div>
    );
  if (stand.kind === 'started')
    return (
      <p role="status">
        started: <a href={stand.started.url}>{stand.started.run}</a>
      </p>
    );
  return null;
}

const failed = (error: unknown): Stand => ({
  kind: 'failed',
  message: error instanceof Error ? error.message : String(error),
  fix: error instanceof ApiError ? error.fix : null,
});

export function ForkDialog({ onClose }: { readonly onClose: () => void }) {
  const parent = castsOf(page.value?.config);
  const [form, setForm] = useState<ForkForm>(() => ({
    at: String(Math.max(0, Math.min(at.value, last.value))),
    cast: parent,
    set: '',
    override: '',
  }));
  const [stand, setStand] = useState<Stand>({ kind: 'asking' });
  const change = (part: Partial<ForkForm>) => setForm((before) => ({ ...before, ...part }));
  const request = requestOf(form, parent);
  const start = async (event: Event) => {
    event.preventDefault();
    setStand({ kind: 'starting' });
    try {
      const started = await post<Started>(run.value, 'fork', request);
      setStand({ kind: 'started', started });
      location.assign(started.url);
    } catch (error) {
      setStand(failed(error));
    }
  };
  return (
    <Dialog title={`Fork ${run.value} from here`} onClose={onClose} class="fork">
      <form onSubmit={start}>
        <Place form={form} change={change} />
        <fieldset>
          <legend>Cast</legend>
          {CAST_ROLES.map((role) => (
            <Player key={role} role={role} form={form} change={change} />
          ))}
        </fieldset>
        <Lines form={form} change={change} />
        <p class="command">
          <small>The same on a command line</small>
          <code>{commandOf(page.value?.folder ?? run.value, request)}</code>
        </p>
        <StandText stand={stand} />
        <p class="buttons">
          <button type="submit" class="main" disabled={stand.kind === 'starting'}>
            Start the fork
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}
