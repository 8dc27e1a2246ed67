/** Training curves by step: the loss of every training; accuracy and margin of those that learn from pairs. */
import type { Progress, TrainingFacts, TrainingPoint } from '../progress-facts.js';
import { Go } from './go.jsx';
import { Lines, toMessage } from './plot-lines.jsx';
import { rangeOf, ticksOf, written } from './plot-scale.js';

type Part = 'loss' | 'accuracy' | 'margin';
const TITLES: { readonly [P in Part]: readonly [string, string] } = {
  loss: ['Loss', 'nats; of a pair for DPO, of a token for SFT'],
  accuracy: ['Accuracy', 'pairs whose chosen answer has the higher implicit reward'],
  margin: ['Margin', 'implicit reward of chosen − rejected'],
};

const partOf = (point: TrainingPoint, part: Part): number | null => point[part];

function Curves({
  part,
  trainings,
  objective,
}: {
  part: Part;
  trainings: readonly TrainingFacts[];
  objective: string;
}) {
  const shown = trainings.filter(({ points }) => points.some((point) => partOf(point, part) !== null));
  if (shown.length === 0) return null;
  const [title, what] = TITLES[part];
  const last = Math.max(...shown.map(({ steps }) => steps));
  const x = { low: 0, high: Math.max(1, last) };
  const values = shown.flatMap(({ points }) => points.map((point) => partOf(point, part)));
  const ends = shown.map(({ to, points }) => `${to} ends at ${written(partOf(points.at(-1)!, part) ?? 0)}`);
  return (
    <figure data-curve={`${objective}-${part}`}>
      <figcaption>
        <b>
          {title}, {objective.toUpperCase()}
        </b>
        <small>{what}</small>
      </figcaption>
      <Lines
        label={`${title} by step: ${ends.join('; ')}`}
        height={180}
        x={x}
        y={rangeOf(values, part === 'accuracy' ? [0.5, 1] : part === 'margin' ? [0] : [])}
        xTicks={ticksOf(x, 5).map((at) => ({ at, text: String(at) }))}
        xTitle="step"
        spread={false}
        series={shown.map(({ to, points }) => ({
          name: to,
          colour: trainings.findIndex((one) => one.to === to),
          curve: true,
          points: points.map((point) => ({
            x: point.step,
            y: partOf(point, part),
            tip: `${to}, step ${point.step}`,
            seq: point.seq,
          })),
        }))}
      />
    </figure>
  );
}

function Line({ training }: { training: TrainingFacts }) {
  const { to, objective, steps, perPoint, points } = training;
  const last = points.at(-1);
  return (
    <tr>
      <th scope="row">{to}</th>
      <td>{objective ?? '–'}</td>
      <td>
        {last ? last.step : 0} of {steps}
        {perPoint > 1 && <small> each point the mean of {perPoint}</small>}
      </td>
      {(['loss', 'accuracy', 'margin'] as const).map((part) => (
        <td key={part}>{last && last[part] !== null ? written(last[part], 3) : '–'}</td>
      ))}
      <td>{last ? <Go to={toMessage(last.seq)}>#{last.seq}</Go> : '–'}</td>
    </tr>
  );
}

export function Training({ progress: { trainings } }: { progress: Progress }) {
  const begun = trainings.filter(({ points }) => points.length > 0);
  if (begun.length === 0) return <p class="none">Nothing has been trained yet.</p>;
  const of = (objective: string) => begun.filter((one) => one.objective === objective);
  return (
    <>
      <div class="plots">
        <Curves part="loss" trainings={of('sft')} objective="sft" />
        {(['loss', 'accuracy', 'margin'] as const).map((part) => (
          <Curves key={part} part={part} trainings={of('dpo')} objective="dpo" />
        ))}
      </div>
      <table>
        <thead>
          <tr>
            {['Training', 'Objective', 'Steps', 'Last loss', 'Accuracy', 'Margin', 'Message'].map((title) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {begun.map((training) => (
            <Line key={training.to} training={training} />
          ))}
        </tbody>
      </table>
    </>
  );
}
