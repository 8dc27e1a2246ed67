/**
 * From a config to the world, the judge template and M0 that it names.
 */
import { join } from 'node:path';
import { createFilesWorld } from '../src/data/files-world.js';
import { castText, isModelCast, membersOf, modelCasts, parseCast } from '../src/protocol/cast.js';
import { commandWords } from '../src/protocol/command.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { World } from '../src/protocol/ports.js';
import type { JudgeTemplate, PromptFormat } from '../src/protocol/records.js';
import { builtInTemplates, chatFormat, plainFormat } from '../src/protocol/templates.js';
import { dataFile, modelFolder } from '../src/store/hub/repository.js';
import { createMicroworld } from '../src/worlds/microworld/index.js';
import { createOpenAssistant } from '../src/worlds/open-assistant/world.js';
import { checkEndpoints } from './endpoints.js';

/**
 * The world that a config names. Nothing is looked for before its data is asked for: a replay needs none of it. A format that
 * isn't settled yet (format.ts) is plain, as in runs of before.
 */
export function createWorld({ world, seed }: Config): World {
  if (world.name === 'microworld')
    return createMicroworld({
      seed,
      ift: world.demonstrations,
      eft: world.evaluations,
      heldOut: world.heldOut,
      probes: world.probes,
    });
  if (world.name === 'files') return filesWorld(world, seed);
  if (world.data === undefined)
    throw new SoliloquyError('config.invalid', 'the open-assistant world needs data', {
      option: 'world.data',
      fix: 'name a message-tree export with --data FILE.jsonl',
    });
  const { data, language, heldOutShare, maxChars } = world;
  const limits = { heldOutShare, maxPromptChars: maxChars, maxReplyChars: maxChars };
  const format = formatOf(world);
  const at = (file: string) => createOpenAssistant({ data: file, language, seed, format, ...limits });
  return { ...at(data), seed: async () => at(dataFile(data)).seed() };
}

function filesWorld(world: Config['world'], seed: number): World {
  const {
    files,
    evalFiles = [],
    heldOutShare,
    maxChars,
    demonstrations,
    evaluations,
    heldOut,
    probes,
  } = world;
  if (files === undefined)
    throw new SoliloquyError('config.invalid', 'the world of files needs data', {
      option: 'world.files',
      fix: 'name data with --data FILE; `soliloquy data FILE` tells what a file gives',
    });
  const most = { ift: demonstrations, ranked: evaluations, heldOut, probes };
  return createFilesWorld({
    files,
    evalFiles,
    seed,
    heldOutShare,
    maxChars,
    most,
    locate: dataFile,
    format: formatOf(world),
  });
}

const formatOf = ({ format }: Config['world']): PromptFormat =>
  format === 'chat' ? chatFormat : plainFormat;

/** The judge template that a config names, else the world's. */
export function templateFor(config: Config, world: World): JudgeTemplate {
  const { template } = config.judge;
  if (template === undefined) return world.judgeTemplate;
  const known = { ...builtInTemplates, ...world.judgeTemplates };
  const found = known[template];
  if (found) return found;
  throw new SoliloquyError('config.invalid', `judge.template: no template "${template}"`, {
    option: 'judge.template',
    fix: `one of: ${Object.keys(known).join(', ')}`,
  });
}

/** The folder of M0: the config's, else the one that ships with the world. */
export function baseModel({ model, world }: Config, assets: string): string {
  if (model !== undefined) return modelFolder(model);
  if (world.name === 'microworld') return join(assets, 'microworld-m0');
  throw new SoliloquyError('config.invalid', `the world ${world.name} ships no model`, {
    option: 'model',
    fix: 'name a folder in Hugging Face layout with --model DIR',
  });
}

function checkCommand({ cast, command, online }: Config): void {
  if (cast.trainer !== 'command') return;
  commandWords(command);
  if (online.rounds > 1)
    throw new SoliloquyError(
      'config.invalid',
      'online.rounds: an external trainer refers to the model that it is given, not to the one at the group’s start',
      { option: 'online.rounds', fix: 'set it to 1, or cast another trainer' },
    );
}

/** Refuses casts that this world can't play. */
export function checkCasts(config: Config, world: World): void {
  checkEndpoints(config);
  const members = membersOf(parseCast('judge', config.cast.judge));
  const different = new Set(members.map(castText)).size;
  if (config.cast.trainer === 'cream' && (members.length !== 2 || different !== 2))
    throw new SoliloquyError(
      'cast.invalid',
      'cast.trainer: cream compares the rankings of two different judges',
      { option: 'cast.judge', fix: 'cast ensemble:[implicit,implicit:1], or ensemble:[live,lagged:1]' },
    );
  checkCommand(config);
  checkMetaJudge(config, world);
  if (config.cast.trainer === 'temporal' && config.pair.lengthControl > 0)
    throw new SoliloquyError(
      'config.invalid',
      'pair.lengthControl: the trainer temporal pairs by score alone',
      {
        option: 'pair.lengthControl',
        fix: 'set it to 0, or cast another trainer',
      },
    );
  if (!world.truth && members.some(({ player }) => player === 'oracle' || player === 'gold'))
    throw new SoliloquyError(
      'cast.invalid',
      `cast.judge: the world ${world.name} knows no true score, so no oracle can judge, nor gold`,
      { option: 'cast.judge', fix: 'cast another judge, or run the microworld' },
    );
}

/** A meta-judge compares judgements: only some players can. */
function checkMetaJudge({ cast, meta: { reading } }: Config, world: World): void {
  if (cast.trainer !== 'meta-rewarding') return;
  const meta = parseCast('judge', cast.metaJudge);
  const refuse = (why: string) =>
    new SoliloquyError('cast.invalid', `cast.metaJudge: ${castText(meta)} ${why}`, {
      option: 'cast.metaJudge',
      fix: 'cast a model (live, frozen:M1 …), oracle (where the world knows a true score) or random',
    });
  if (!isModelCast(meta) && meta.player !== 'oracle' && meta.player !== 'random')
    throw refuse('compares no judgements');
  if (meta.player === 'endpoint' && reading === 'likelier')
    throw refuse('tells no likelihood: set meta.reading=written');
  if (meta.player === 'oracle' && !world.truth)
    throw refuse(`needs a true score, which ${world.name} has not`);
  if (!membersOf(parseCast('judge', cast.judge)).some(isModelCast))
    throw new SoliloquyError(
      'cast.invalid',
      'cast.judge: no member writes judgements, so none can be compared',
      {
        option: 'cast.judge',
        fix: 'cast a model as the judge, or another trainer',
      },
    );
}

/** Folders of all models that are cast beside the run's own. */
export const checkpointsIn = (config: Config): string[] => [
  ...new Set(modelCasts(config.cast).flatMap((one) => (one.player === 'checkpoint' ? [one.dir] : []))),
];

/** Runs whose logs answer. */
export const recordingsIn = (config: Config): string[] => [
  ...new Set(modelCasts(config.cast).flatMap((one) => (one.player === 'recorded' ? [one.run] : []))),
];
