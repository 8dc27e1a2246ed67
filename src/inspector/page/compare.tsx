/** The Compare view: this run and another, side by side. The other stands in the address as `with`. */
import './compare.css';
import type { Compared } from '../compare.js';
import type { Progress } from '../progress-facts.js';
import { go, place } from './address.js';
import { get } from './api.js';
import { Changes, Parting } from './compare-parting.jsx';
import { ComparedNumbers, ComparedPlots, ComparedTrainings } from './compare-plots.jsx';
import { Go } from './go.jsx';
import { head, run, runs } from './live.js';
import { toMessage } from './plot-lines.jsx';
import { useKept, useProgress } from './progress-data.js';
import { Section } from './progress-section.jsx';

function OtherPicker({ other }: { other: string }) {
  const others = runs.value.runs.filter((name) => name !== run.value);
  return (
    <p class="couple">
      <b class="run-a">{run.value}</b>
      <label>
        with{' '}
        <select
          value={other}
          onChange={({ currentTarget }) => go({ query: { with: currentTarget.value, seq: '', number: '' } })}
        >
          <option value="">choose a run …</option>
          {[...new Set([...others, ...(other === '' ? [] : [other])])].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {other !== '' && (
        <Go to={{ run: other, query: { with: run.value } }} class="swap">
          Swap the two
        </Go>
      )}
    </p>
  );
}

function Kinship({ compared: { forks } }: { compared: Compared }) {
  return (
    <>
      {forks.map(({ run: name, parent, seq }) => (
        <p key={name} class="kinship" data-fork={name}>
          <b>{name}</b> was forked from <b>{parent}</b> at <Go to={toMessage(seq, name)}>message {seq}</Go>:
          all before is its parent’s, byte for byte.
        </p>
      ))}
    </>
  );
}

/** Numbers below may be of a part of the logs only. */
function StillCounting({ both }: { both: readonly Progress[] }) {
  const shares = both.map(({ folded, count }) => folded / Math.max(1, count));
  const least = Math.min(...shares);
  return least < 1 ? (
    <p class="none">{Math.floor(100 * least)} % of the messages are counted so far.</p>
  ) : null;
}

function Both({ other }: { other: string }) {
  const name = run.value;
  const { value: compared, failure } = useKept(
    JSON.stringify([name, other]),
    (signal) => get<Compared>(name, `compare/${encodeURIComponent(other)}`, {}, signal),
    (known) => {
      if (!known.isSettled) return 'soon';
      const areOver = known.parting?.a && known.parting.b && head.value?.control !== 'running';
      return (areOver && known.otherFacts === null) || (head.value?.count ?? 0) !== known.counts[0];
    },
  );
  const a = useProgress(name);
  const b = useProgress(other);
  const wrong = failure ?? a.failure ?? b.failure;
  if (wrong) return <p class="notice bad">{wrong}</p>;
  return (
    <>
      {compared && (
        <>
          <Kinship compared={compared} />
          <Section id="parting" title="Where they part">
            <Parting compared={compared} />
          </Section>
          <Section id="changes" title="In what their configs differ">
            <Changes compared={compared} />
          </Section>
        </>
      )}
      {a.value && b.value && (
        <>
          <StillCounting both={[a.value, b.value]} />
          <Section id="plots" title="Version by version">
            <ComparedPlots names={[name, other]} both={[a.value, b.value]} />
          </Section>
          <Section id="numbers" title="Numbers and their differences">
            <ComparedNumbers names={[name, other]} both={[a.value, b.value]} />
          </Section>
          <Section id="trainings" title="Loss of each training">
            <ComparedTrainings names={[name, other]} both={[a.value, b.value]} />
          </Section>
        </>
      )}
    </>
  );
}

export function Compare() {
  const other = place.value.query.with ?? '';
  return (
    <div class="comparison">
      <OtherPicker other={other} />
      {other === '' ? (
        <p class="none">
          {runs.value.runs.length > 1
            ? 'Choose a run that lies beside this one.'
            : 'There is no other run beside this one: a fork made from here will be.'}
        </p>
      ) : (
        run.value !== '' && <Both other={other} />
      )}
    </div>
  );
}
