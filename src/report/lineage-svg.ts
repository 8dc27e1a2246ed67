/**
 * Owns: a run's versions as a drawing: from left to right what each was trained from. Placed by hand: a column a generation, a row
 * a sibling, so that the same lineage is always the same drawing. Colours are the page's.
 */
import type { BodyOf } from '../protocol/messages.js';
import { escaped } from './html.js';

type Version = BodyOf<'version.made'>;

const WIDTH = 192;
const HEIGHT = 62;
const COLUMN = 248;
const ROW = 88;
const MARGIN = 14;

interface Placed {
  readonly name: string;
  readonly from: string | null;
  readonly lines: readonly string[];
  readonly x: number;
  readonly y: number;
}

const kindOf = ({ stage, reference, datasets }: Version): string =>
  stage === 'iteration' && reference !== null
    ? `DPO on ${datasets.join(' + ')}`
    : `SFT on ${datasets.join(' + ')}`;

function placed(versions: readonly Version[], baseHash: string | null): Placed[] {
  const depth = new Map<string, number>([['M0', 0]]);
  const taken = new Map<number, number>([[0, 1]]);
  const base: Placed = {
    name: 'M0',
    from: null,
    lines: ['the base model', (baseHash ?? '').slice(0, 12)],
    x: MARGIN,
    y: MARGIN,
  };
  return [
    base,
    ...versions.map((one): Placed => {
      const column = (depth.get(one.from) ?? 0) + 1;
      const row = taken.get(column) ?? 0;
      depth.set(one.version, column);
      taken.set(column, row + 1);
      return {
        name: one.version,
        from: one.from,
        lines: [`${kindOf(one)}: ${one.rows} rows`, one.weightsHash.slice(0, 12)],
        x: MARGIN + COLUMN * column,
        y: MARGIN + ROW * row,
      };
    }),
  ];
}

const boxOf = ({ name, lines, x, y }: Placed): string =>
  `<g><title>${escaped(`${name}: ${lines[0]}`)}</title><rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="8"/><text class="name" x="${x + 12}" y="${y + 21}">${escaped(name)}</text><text x="${x + 12}" y="${y + 38}">${escaped(lines[0]!.length > 29 ? `${lines[0]!.slice(0, 28)}…` : lines[0]!)}</text><text class="soft" x="${x + 12}" y="${y + 54}">${escaped(lines[1]!)}</text></g>`;

function arrowOf(to: Placed, from: Placed): string {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return `<path d="M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2 - 7} ${y2}"/><polygon points="${x2},${y2} ${x2 - 8},${y2 - 4} ${x2 - 8},${y2 + 4}"/>`;
}

/** '' where nothing was trained yet. */
export function lineageSvg(versions: readonly Version[], baseHash: string | null): string {
  if (versions.length === 0) return '';
  const all = placed(versions, baseHash);
  const width = Math.max(...all.map(({ x }) => x)) + WIDTH + MARGIN;
  const height = Math.max(...all.map(({ y }) => y)) + HEIGHT + MARGIN;
  const arrows = all.flatMap((one) => {
    const from = all.find(({ name }) => name === one.from);
    return from ? [arrowOf(one, from)] : [];
  });
  const told = versions.map(({ version, from }) => `${version} from ${from}`).join(', ');
  return `<figure class="lineage"><svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(`Lineage: ${told}`)}">${arrows.join('')}${all.map(boxOf).join('')}</svg></figure>`;
}
