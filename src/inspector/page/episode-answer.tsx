/** One answer of an episode: its text, what the judge said of it each time and how that was read, and what it is truly worth. */
import type { Generation } from '../../protocol/messages.js';
import { type Answer, type JudgedAnswer, type Said, verdictWords } from './episode-story.js';
import { Go } from './go.jsx';
import { Words } from './tree.jsx';

const round = (value: number): string => String(Math.round(100 * value) / 100);

export function ToMessage({ seq }: { seq: number }) {
  return (
    <Go
      class="to-message"
      to={{ view: 'script', query: { seq: String(seq), pane: '' } }}
      title="Open this message"
    >
      message {seq}
    </Go>
  );
}

export function Drawn({ of: { version, finish, ids, logprob, recorded } }: { of: Generation }) {
  return (
    <span class="muted drawn">
      by {version}
      {ids.length > 0 && `, ${ids.length} tokens`}
      {logprob !== null && `, log p ${round(logprob)}`}
      {finish !== 'stop' && `, ended by ${finish}`}
      {recorded && `, taken from ${recorded.run}, message ${recorded.seq}`}
    </span>
  );
}

/** What a judge wrote, with the place where its verdict was read. */
export function Marked({ text, place }: { text: string; place: Answer['places'][string] | undefined }) {
  if (!place) return <Words text={text} />;
  const [from, to] = place.marker;
  return (
    <>
      <Words text={text.slice(0, from)} />
      <bdi class="words">
        <mark class="marker">{text.slice(from, to)}</mark>
        {text.slice(to, place.score?.[0] ?? to)}
        {place.score && <mark class="score">{text.slice(...place.score)}</mark>}
      </bdi>
      <Words text={text.slice(place.score?.[1] ?? to)} />
    </>
  );
}

function Judgement({ said, of }: { said: Said<'judgement.made'>; of: Answer }) {
  const { id, player, verdict, generation } = said.body;
  return (
    <li class="judgement" data-judgement={id}>
      <p class="line">
        <strong class={verdict.status === 'score' ? 'read' : 'unread'}>
          {verdictWords(verdict, of.scale)}
        </strong>
        <span class="muted">
          {id} · {player}
        </span>
        <ToMessage seq={said.seq} />
      </p>
      {generation ? (
        <p class="text">
          <Marked text={generation.text} place={of.places[id]} />
        </p>
      ) : (
        <p class="muted">A scorer writes no text.</p>
      )}
    </li>
  );
}

function Scores({ answer: { mean, truth, judgements }, of }: { answer: JudgedAnswer; of: Answer }) {
  const read = judgements.filter(({ body }) => body.verdict.status === 'score').length;
  return (
    <dl class="scores">
      <div>
        <dt>self-score</dt>
        <dd class="self">{mean === null ? '—' : round(mean)}</dd>
        <dd class="muted of">
          {judgements.length === 0
            ? 'not judged'
            : `mean of ${read}${read < judgements.length ? ` of ${judgements.length}` : ''}`}
        </dd>
      </div>
      {truth && (
        <div>
          <dt>true score</dt>
          <dd class="true">{round(truth.score)}</dd>
          <dd class="muted of">of {of.scale.max}</dd>
        </div>
      )}
    </dl>
  );
}

export function AnswerCard({ answer, of }: { answer: JudgedAnswer; of: Answer }) {
  const { candidate, judgements, truth, part, isOverrated } = answer;
  return (
    <article
      class={`answer ${part ?? ''}`}
      data-response={candidate.id}
      aria-label={`Answer ${candidate.id}`}
    >
      <header>
        <h3>Answer {candidate.id}</h3>
        {part && <span class={`badge ${part}`}>{part}</span>}
        {isOverrated && <span class="badge hacked">praised, but worth little</span>}
      </header>
      <p class="text answer-text">
        {candidate.text === '' ? <span class="muted">(empty)</span> : <Words text={candidate.text} />}
      </p>
      <Drawn of={candidate} />
      <Scores answer={answer} of={of} />
      {truth && (
        <ul class="criteria" aria-label="True criteria">
          {Object.entries(truth.criteria).map(([name, isMet]) => (
            <li key={name} class={isMet ? 'met' : 'unmet'}>
              {isMet ? '✓' : '✗'} {name}
            </li>
          ))}
        </ul>
      )}
      {judgements.length > 0 && (
        <ol class="judgements" aria-label={`Judgements of ${candidate.id}`}>
          {judgements.map((said) => (
            <Judgement key={said.body.id} said={said} of={of} />
          ))}
        </ol>
      )}
    </article>
  );
}
