/** Which version was made of which: M0 → SFT, M0 → M1 → M2 …, each with its data, judge, reference and weights. */
import type { Progress, VersionFacts } from '../progress-facts.js';
import { Go } from './go.jsx';
import { toMessage } from './plot-lines.jsx';
import { signed, written } from './plot-scale.js';
import { measuredIn, metricIn } from './progress-data.js';
import { ScrollBox } from './scroll-box.jsx';

const CARD = { width: 166, height: 148, gapX: 46, gapY: 28 };

interface Placed {
  readonly facts: VersionFacts;
  readonly column: number;
  readonly row: number;
}

/** Column: how many trainings it is away from M0. The longest line of descent runs along the top. */
export function placedVersions(versions: readonly VersionFacts[]): Placed[] {
  const depths = new Map<string, number>();
  const heights = new Map<string, number>();
  for (const { version, made } of versions) depths.set(version, made ? (depths.get(made.from) ?? 0) + 1 : 0);
  for (const { version, made } of [...versions].reverse())
    if (made) heights.set(made.from, Math.max(heights.get(made.from) ?? 0, (heights.get(version) ?? 0) + 1));
  const rows = new Map<number, number>();
  const byHeight = [...versions].sort(
    (a, b) =>
      depths.get(a.version)! - depths.get(b.version)! ||
      (heights.get(b.version) ?? 0) - (heights.get(a.version) ?? 0),
  );
  return byHeight.map((facts) => {
    const column = depths.get(facts.version)!;
    const row = rows.get(column) ?? 0;
    rows.set(column, row + 1);
    return { facts, column, row };
  });
}

const leftOf = ({ column }: Placed): number => column * (CARD.width + CARD.gapX);
const topOf = ({ row }: Placed): number => row * (CARD.height + CARD.gapY);

function Edge({ from, to, isReference }: { from: Placed; to: Placed; isReference: boolean }) {
  const shift = isReference ? 16 : 0;
  const [x1, y1] = [leftOf(from) + CARD.width, topOf(from) + CARD.height / 2 + shift];
  const [x2, y2] = [leftOf(to) - 7, topOf(to) + CARD.height / 2 + shift];
  const middle = (x1 + x2) / 2;
  return (
    <path
      class={isReference ? 'edge reference' : 'edge'}
      d={`M${x1},${y1}C${middle},${y1} ${middle},${y2} ${x2},${y2}`}
      marker-end="url(#arrow)"
    />
  );
}

function Card({ placed, progress }: { placed: Placed; progress: Progress }) {
  const { version, seq, made, weightsHash } = placed.facts;
  const own = measuredIn(progress).find((one) => one.version === version);
  const [self, truth, gap] = ['self.score', 'true.score', 'gap'].map(
    (name) => metricIn(own, name)?.value ?? null,
  );
  return (
    <div
      class="version"
      data-version={version}
      style={{
        left: `${leftOf(placed)}px`,
        top: `${topOf(placed)}px`,
        width: `${CARD.width}px`,
        height: `${CARD.height}px`,
      }}
    >
      <p>
        <Go class="name" to={toMessage(seq)} title={`message ${seq}`}>
          {version}
        </Go>
        <small>#{seq}</small>
      </p>
      {made ? (
        <ul>
          <li title={made.datasets.join(' + ')}>
            {made.datasets.join(' + ')}, {written(made.rows)} rows
          </li>
          {made.tooLong > 0 && <li>{made.tooLong} too long, left out</li>}
          <li>{made.reference ? `DPO, reference ${made.reference}` : `SFT from ${made.from}`}</li>
          {made.judge && <li title={made.judge}>judge {made.judge}</li>}
        </ul>
      ) : (
        <ul>
          <li>there from the start</li>
        </ul>
      )}
      {self != null && (
        <p class="scores">
          <span class="self">self {written(self)}</span>
          {truth != null && <span class="true">true {written(truth)}</span>}
          {gap != null && <span>gap {signed(gap)}</span>}
        </p>
      )}
      <code title={weightsHash}>{weightsHash.slice(0, 12)}</code>
    </div>
  );
}

export function Lineage({ progress }: { progress: Progress }) {
  const placed = placedVersions(progress.versions);
  const of = (version: string | null) => placed.find(({ facts }) => facts.version === version);
  const width = Math.max(0, ...placed.map((one) => leftOf(one) + CARD.width));
  const height = Math.max(0, ...placed.map((one) => topOf(one) + CARD.height));
  return (
    <>
      <ScrollBox label="Lineage of the versions">
        <div class="lineage" style={{ width: `${width}px`, height: `${height}px` }}>
          <svg width={width} height={height} aria-hidden="true">
            <defs>
              <marker
                id="arrow"
                viewBox="0 0 8 8"
                refX="7"
                refY="4"
                markerWidth="7"
                markerHeight="7"
                orient="auto"
              >
                <path d="M0,0L8,4L0,8Z" />
              </marker>
            </defs>
            {placed.flatMap((to) => {
              const from = of(to.facts.made?.from ?? null);
              const reference = of(to.facts.made?.reference ?? null);
              return [
                from && <Edge key={`${to.facts.version} from`} {...{ from, to }} isReference={false} />,
                reference && (
                  <Edge key={`${to.facts.version} reference`} {...{ to }} from={reference} isReference />
                ),
              ];
            })}
          </svg>
          {placed.map((one) => (
            <Card key={one.facts.version} placed={one} progress={progress} />
          ))}
        </div>
      </ScrollBox>
      <p class="none">Line: trained from. Dashed: its DPO reference.</p>
    </>
  );
}
