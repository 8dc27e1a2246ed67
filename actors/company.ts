/**
 * Everybody who takes messages, bound to one config: roles, addressees, and the views that they need of the log. The same for a
 * live run and for a replay, which only starts no job. A `run.forked` on the log recasts it in place.
 */
import { createDelivery, type Delivery } from '../src/log/delivery.js';
import { createOverrides } from '../src/log/overrides.js';
import { createEndpointPlayer } from '../src/players/endpoint.js';
import { createScorer } from '../src/players/scorer.js';
import {
  createSharedModel,
  type SharedModelOptions,
  type TrainingResult,
} from '../src/players/shared-model.js';
import { type Config, configSchema } from '../src/protocol/config.js';
import { type EndpointAddress, endpointAddress, isEndpointAddress } from '../src/protocol/endpoints.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { ToldStep } from '../src/protocol/lm.js';
import type { BodyOf, Envelope } from '../src/protocol/messages.js';
import type { Endpoint, LanguageModel, World } from '../src/protocol/ports.js';
import type { JudgeTemplate } from '../src/protocol/records.js';
import { createDatasets, type Datasets } from './datasets.js';
import { createEvaluator } from './evaluator.js';
import type { Answered } from './measuring.js';
import { createRoles, type Roles } from './roles.js';
import { createWorldAddressee } from './world.js';
import { templateFor } from './worlds.js';

/** What jobs are done with. */
export interface Doing {
  readonly model: LanguageModel;
  /** Brings a version's weights to the model, if they aren't there yet. */
  readonly load: (version: VersionId) => Promise<void>;
  readonly exists: (version: VersionId) => boolean;
  readonly train: (
    job: BodyOf<'model.train'>,
    onStep: (step: ToldStep) => void,
    bound: Bound,
  ) => Promise<TrainingResult>;
  readonly recording: SharedModelOptions['recording'];
  /** The server of that name. */
  readonly endpoint: (name: string) => Endpoint;
  readonly onStep: SharedModelOptions['onStep'];
  readonly onProgress: (version: VersionId, share: number) => void;
}

/** What is bound now; a fork changes it. */
export interface Bound {
  readonly config: Config;
  readonly template: JudgeTemplate;
  readonly datasets: Datasets;
}

export interface Company {
  readonly delivery: Delivery;
  readonly roles: Roles;
  readonly bound: Bound;
  /** Answers to the held-out prompts, by version, as they stand on the log. */
  readonly answers: ReadonlyMap<VersionId, readonly Answered[]>;
  /** To be shown every envelope before it is delivered. */
  observe(envelope: Envelope): void;
}

/** The config that a `run.forked` holds. */
const forkedConfig = ({ config }: BodyOf<'run.forked'>): Config => configSchema.parse(config);

export function createCompany(config: Config, world: World, doing: Doing): Company {
  const now = { config, template: templateFor(config, world), format: world.format, world };
  const datasets = createDatasets(now);
  const bound: Bound = {
    get config() {
      return now.config;
    },
    get template() {
      return now.template;
    },
    datasets,
  };
  const roles = createRoles({ ...now });
  const answers = new Map<VersionId, Answered[]>();
  const overrides = createOverrides();
  const { patch } = overrides;
  const delivery = createDelivery({
    role: roles.role,
    addressees: addresseesOf(bound, world, doing, answers),
    arriving: (address) => (isEndpointAddress(address) ? serverAt(address, bound, doing) : undefined),
    patch,
  });

  const recast = (forked: BodyOf<'run.forked'>): void => {
    now.config = forkedConfig(forked);
    now.template = templateFor(now.config, world);
    roles.recast({ ...now });
    for (const { fact, path, value } of forked.overrides) overrides.add(fact, path, value);
    // What was said and not delivered when the fork began.
    delivery.queue.forEach((said, i) => {
      delivery.queue[i] = { ...said, message: patch(said.message) };
    });
  };
  return {
    delivery,
    roles,
    bound,
    answers,
    observe(envelope) {
      datasets.observe(envelope);
      const { type, body } = envelope;
      if (type === 'run.forked') recast(body as BodyOf<'run.forked'>);
      if (type === 'evaluation.answered') {
        const answered = body as Answered;
        const own = answers.get(answered.version) ?? [];
        answers.set(answered.version, own);
        own.push(answered);
      }
    },
  };
}

function serverAt(address: EndpointAddress, bound: Bound, { endpoint }: Doing) {
  const name = address.slice(endpointAddress('').length);
  return createEndpointPlayer({
    name,
    window: () => bound.config.endpoints[name]?.concurrency ?? 1,
    endpoint,
  });
}

function addresseesOf(bound: Bound, world: World, doing: Doing, answers: Company['answers']) {
  const { model, load, exists, train, recording, endpoint, onStep, onProgress } = doing;
  const measuring = {
    get config() {
      return bound.config;
    },
    get template() {
      return bound.template;
    },
    model,
    world,
    seedData: () => bound.datasets.seed,
    load,
    exists,
    endpoint,
    onProgress,
  };
  return [
    createWorldAddressee(world),
    createScorer(world),
    createEvaluator(measuring, answers),
    createSharedModel({
      model,
      limits: () => bound.config.flow,
      recording,
      load,
      train: (job, said) => train(job, said, bound),
      onStep,
    }),
  ];
}
