/** The Progress view: what the run comes to so far. Sections only; each stands in its own file. */
import './progress.css';
import type { Progress as Facts } from '../progress-facts.js';
import { Go } from './go.jsx';
import { run } from './live.js';
import { toMessage } from './plot-lines.jsx';
import { Behind } from './progress-behind.jsx';
import { useProgress } from './progress-data.js';
import { Gap } from './progress-gap.jsx';
import { Lineage } from './progress-lineage.jsx';
import { MeasurePlots, NumbersTable } from './progress-numbers.jsx';
import { Pairs } from './progress-pairs.jsx';
import { HeadToHeads, Histograms } from './progress-scores.jsx';
import { Section, type SectionProps } from './progress-section.jsx';
import { Cost, Time } from './progress-time.jsx';
import { Training } from './progress-training.jsx';

/** Within the view; the address stays what it is. */
function jump(id: string): void {
  const title = document.getElementById(`${id}-title`);
  title?.scrollIntoView({ block: 'start' });
  title?.focus({ preventScroll: true });
}

function sectionsOf(progress: Facts): SectionProps[] {
  const all: SectionProps[] = [
    { id: 'gap', title: 'Hacking gap', children: <Gap progress={progress} /> },
    { id: 'lineage', title: 'Lineage', children: <Lineage progress={progress} /> },
    { id: 'numbers', title: 'Numbers by version', children: <NumbersTable progress={progress} /> },
    { id: 'histograms', title: 'How scores are spread', children: <Histograms progress={progress} /> },
    {
      id: 'judge',
      title: 'As a judge, on the probe bank',
      children: <MeasurePlots progress={progress} group="judge" />,
    },
    { id: 'texts', title: 'Its answers', children: <MeasurePlots progress={progress} group="texts" /> },
    { id: 'games', title: 'Head to head', children: <HeadToHeads progress={progress} /> },
    { id: 'training', title: 'Training', children: <Training progress={progress} /> },
    { id: 'pairs', title: 'Pairs, and why none', children: <Pairs progress={progress} /> },
    { id: 'time', title: 'Time', children: <Time progress={progress} /> },
  ];
  if (progress.usage.length > 0)
    all.push({ id: 'cost', title: 'Tokens and cost', children: <Cost progress={progress} /> });
  return all;
}

function Standing({ progress: { count, folded, end, forks } }: { progress: Facts }) {
  return (
    <p class="standing">
      {folded < count ? `${Math.round((100 * folded) / count)} % of ` : ''}
      {count.toLocaleString('en')} messages
      {end && (
        <>
          {', '}
          <Go to={toMessage(end.seq)}>{end.type === 'run.finished' ? 'finished' : 'failed'}</Go>
        </>
      )}
      {forks.map(({ seq, parent }) => (
        <span key={seq}>
          , forked from {parent} at <Go to={toMessage(seq)}>#{seq}</Go>
        </span>
      ))}
    </p>
  );
}

export function Progress() {
  const { value, failure } = useProgress(run.value);
  if (value === null) return <p class="waiting">{failure ?? 'Counting …'}</p>;
  const sections = sectionsOf(value);
  return (
    <div class="progress" data-folded={value.folded}>
      <aside class="contents">
        <ul aria-label="Sections">
          {sections.map(({ id, title }) => (
            <li key={id}>
              <button type="button" onClick={() => jump(id)}>
                {title}
              </button>
            </li>
          ))}
        </ul>
        <Standing progress={value} />
        {failure && <p class="notice bad">{failure}</p>}
      </aside>
      <div class="parts">
        {sections.map((section) => (
          <Section key={section.id} {...section} />
        ))}
        <Behind progress={value} />
      </div>
    </div>
  );
}
