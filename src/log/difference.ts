/** How two lines of a log differ, for people: the first place, with what stands there on both sides. */

const MOST = 120;

const show = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

interface Place {
  readonly path: string;
  readonly a: unknown;
  readonly b: unknown;
}

function firstPlace(a: unknown, b: unknown, path: string): Place | null {
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b))
    return Object.is(a, b) ? null : { path, a, b };
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const inner = Array.isArray(a) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    const place = firstPlace(a[key], b[key], inner);
    if (place) return place;
  }
  return null;
}

/** Both lines are JSON objects with `type`, `from`, `to`. */
export function differenceOf(
  expected: string,
  got: string,
): { readonly expected: string; readonly got: string } {
  const [a, b] = [expected, got].map((line) => JSON.parse(line) as Record<string, unknown>);
  const name = (line: Record<string, unknown>) => `${line.type} from ${line.from} to ${line.to}`;
  if (name(a!) !== name(b!)) return { expected: name(a!), got: name(b!) };
  const place = firstPlace(a, b, '');
  if (!place) return { expected: `${a!.type} with its fields in another order`, got: 'this order' };
  return { expected: `${a!.type} with ${place.path} = ${show(place.a)}`, got: show(place.b) };
}
