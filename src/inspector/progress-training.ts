/** Training curves: every step is kept as a few numbers; what is told of a long training are means of neighbouring steps. */
import type { BodyOf, Envelope } from '../protocol/messages.js';
import type { TrainingFacts, TrainingPoint } from './progress-facts.js';

/** A curve on a screen needs no more. */
const POINTS = 240;

interface Training {
  readonly to: string;
  objective: TrainingFacts['objective'];
  steps: number;
  points: TrainingPoint[];
}

const meanOf = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
};

function toldOf({ to, objective, steps, points }: Training): TrainingFacts {
  const perPoint = Math.max(1, Math.ceil(points.length / POINTS));
  if (perPoint === 1) return { to, objective, steps, perPoint, points };
  const means: TrainingPoint[] = [];
  for (let at = 0; at < points.length; at += perPoint) {
    const some = points.slice(at, at + perPoint);
    const { seq, step } = some.at(-1)!;
    means.push({
      seq,
      step,
      loss: meanOf(some.map(({ loss }) => loss))!,
      accuracy: meanOf(some.map(({ accuracy }) => accuracy)),
      margin: meanOf(some.map(({ margin }) => margin)),
    });
  }
  return { to, objective, steps, perPoint, points: means };
}

export interface TrainingFold {
  /** `model.train` begins a training, `training.stepped` is a step of it. */
  take(envelope: Envelope): void;
  told(): TrainingFacts[];
}

export function createTrainingFold(): TrainingFold {
  const trainings = new Map<string, Training>();
  const of = (to: string): Training => {
    const known = trainings.get(to);
    if (known) return known;
    const made: Training = { to, objective: null, steps: 0, points: [] };
    trainings.set(to, made);
    return made;
  };
  return {
    take({ type, body, seq }) {
      if (type === 'model.train') {
        const { to, objective } = body as BodyOf<'model.train'>;
        of(to).objective = objective;
        return;
      }
      const { to, step, steps, loss, accuracy, margin } = body as BodyOf<'training.stepped'>;
      const own = of(to);
      own.steps = steps;
      // A training that was begun again after a crash says its first steps again.
      while (own.points.length > 0 && own.points.at(-1)!.step >= step) own.points.pop();
      own.points.push({ seq, step, loss, accuracy, margin });
    },
    told: () => [...trainings.values()].map(toldOf),
  };
}
