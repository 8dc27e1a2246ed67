/** An episode whole: prompt → answers with their judgements and true scores → pair, or why there is none. */
import { useEffect, useState } from 'preact/hooks';
import type { BodyOf } from '../../protocol/messages.js';
import { get } from './api.js';
import { AnswerCard, Drawn, ToMessage } from './episode-answer.jsx';
import { type Answer, filteredWords, type Story, storyOf, withheldWords } from './episode-story.js';
import { head, run, tell } from './live.js';
import { Sequence } from './sequence.jsx';
import { Tree, Words } from './tree.jsx';

function Prompt({ prompt: said }: { prompt: NonNullable<Story['prompt']> }) {
  if (said.type === 'prompt.failed')
    return (
      <p>
        No prompt: {(said.body as BodyOf<'prompt.failed'>).reason} <ToMessage seq={said.seq} />
      </p>
    );
  const { prompt, shots, generation, reason, detail } = said.body as BodyOf<'prompt.made'> &
    Partial<BodyOf<'prompt.filtered'>>;
  return (
    <>
      <p class="text prompt-text">
        <Words text={prompt} />
      </p>
      {reason && (
        <p class="unread">
          Filtered out: {filteredWords(reason)}
          {detail && ` (${detail})`}
        </p>
      )}
      <p class="line">
        <Drawn of={generation} />
        <ToMessage seq={said.seq} />
        <span class="muted">
          drawn in <ToMessage seq={said.cause} />
        </span>
      </p>
      <details>
        <summary>{shots.length} examples it was invented after, and what the model wrote</summary>
        <ol class="shots">
          {shots.map((shot, i) => (
            <li key={i}>
              <Words text={shot} />
            </li>
          ))}
        </ol>
        <p class="text raw">
          <Words text={generation.text} />
        </p>
      </details>
    </>
  );
}

function End({ end }: { end: Story['end'] }) {
  if (!end) return <p class="end">Neither a pair nor a reason yet.</p>;
  if (end.type === 'pair.withheld') {
    const { reason, detail } = end.body as BodyOf<'pair.withheld'>;
    return (
      <p class="end">
        <strong>No pair: {withheldWords(reason)}.</strong> {detail && <span class="muted">{detail}</span>}{' '}
        <ToMessage seq={end.seq} />
      </p>
    );
  }
  const { chosen, rejected } = end.body as BodyOf<'pair.made'>;
  return (
    <p class="end">
      <strong>
        Pair: {chosen.response} ({Math.round(100 * chosen.score) / 100}) over {rejected.response} (
        {Math.round(100 * rejected.score) / 100})
      </strong>{' '}
      <ToMessage seq={end.seq} />
    </p>
  );
}

function Whole({ answer }: { answer: Answer }) {
  const { prompt, judged, end, others } = storyOf(answer);
  return (
    <>
      <h2>Episode {answer.id}</h2>
      {prompt && <Prompt prompt={prompt} />}
      <End end={end} />
      <div class="answers">
        {judged.map((one) => (
          <AnswerCard key={one.candidate.id} answer={one} of={answer} />
        ))}
      </div>
      <details class="others">
        <summary>{others.length} further messages of this episode</summary>
        {others.map((one) => (
          <div key={one.seq}>
            <ToMessage seq={one.seq} />
            <Tree name={one.type} value={one.body} levels={0} />
          </div>
        ))}
      </details>
      <details class="diagram">
        <summary>Sequence diagram</summary>
        <Sequence id={answer.id} envelopes={answer.envelopes} />
      </details>
    </>
  );
}

export function EpisodeDetail({ id, onLeave }: { id: string; onLeave: () => void }) {
  const [read, setRead] = useState<Answer | null>(null);
  const count = head.value?.count ?? 0;
  const isOver = read?.id === id && read.envelopes.some(({ type }) => type.startsWith('pair.'));
  useEffect(() => {
    if (isOver || run.value === '' || id === '') return;
    const asked = new AbortController();
    get<Answer>(run.value, `episodes/${id}`, {}, asked.signal)
      .then(setRead)
      .catch((error: unknown) => asked.signal.aborted || tell(error));
    return () => asked.abort();
  }, [id, run.value, isOver ? 0 : count]);
  return (
    <section
      class="episode-detail"
      id="episode-detail"
      aria-label="Episode"
      tabIndex={-1}
      onKeyDown={(event) => event.key === 'Escape' && onLeave()}
    >
      {id === '' ? (
        <p class="muted">Choose an episode to see its whole story.</p>
      ) : read?.id === id ? (
        <Whole key={id} answer={read} />
      ) : (
        <p class="muted">reading …</p>
      )}
    </section>
  );
}
