/** The walls of the house: shared/DESIGN.md's table of who may import whom, and the habits of CONVENTIONS.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Part of the house → parts it may import. Each may import itself. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  rng: ['protocol'],
  lm: ['protocol', 'rng'],
  stages: ['protocol', 'rng'],
  worlds: ['protocol', 'rng'],
  data: ['protocol', 'rng', 'stages', 'worlds'],
  store: ['protocol'],
  log: ['protocol'],
  pool: ['protocol', 'rng', 'lm'],
  players: ['protocol', 'rng', 'stages', 'pool'],
  inspector: ['protocol', 'log', 'store', 'serve'],
  serve: ['protocol', 'rng', 'lm', 'stages'],
  report: ['protocol', 'rng', 'log', 'stages'],
  machines: ['protocol', 'stages'],
  actors: [
    'protocol',
    'rng',
    'lm',
    'stages',
    'worlds',
    'data',
    'store',
    'log',
    'pool',
    'players',
    'inspector',
    'report',
    'machines',
  ],
  experiments: ['actors/system', 'protocol'],
  cli: [
    'protocol',
    'rng',
    'lm',
    'stages',
    'worlds',
    'data',
    'store',
    'log',
    'pool',
    'players',
    'inspector',
    'report',
    'serve',
    'actors',
    'experiments',
  ],
};

/** Files above the limit, each with the reason why it isn't cut. */
const LIMIT = 260;
const LONG: Readonly<Record<string, string>> = {
  'src/protocol/messages.ts': 'the whole union stands in one place',
};

const SOURCES = ['src', 'actors', 'machines', 'experiments'];
const filesUnder = (dir: string): string[] =>
  readdirSync(join(root, dir), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /(?<!\.d)\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('node_modules'))
    .sort();
const files = SOURCES.flatMap(filesUnder);
const sourceOf = (file: string) =>
  ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2022, true);
/** `./stage.jsx` is written `./stage.tsx`; a style sheet is no module. */
const sourceNamed = (path: string) => path.replace(/\.js(x?)$/, '.ts$1');
const sources = new Map(files.map((file) => [file, sourceOf(file)]));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function specifiersIn(source: ts.SourceFile): { text: string; typeOnly: boolean }[] {
  const found: { text: string; typeOnly: boolean }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const bindings = node.importClause?.namedBindings;
      const allTypes =
        bindings !== undefined &&
        ts.isNamedImports(bindings) &&
        bindings.elements.every((one) => one.isTypeOnly) &&
        node.importClause?.name === undefined;
      found.push({
        text: node.moduleSpecifier.text,
        typeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes,
      });
    } else if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    )
      found.push({ text: node.moduleSpecifier.text, typeOnly: node.isTypeOnly });
    else if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      node.arguments[0] &&
      ts.isStringLiteral(node.arguments[0])
    )
      found.push({ text: node.arguments[0].text, typeOnly: false });
    else if (
      ts.isImportTypeNode(node) &&
      ts.isLiteralTypeNode(node.argument) &&
      ts.isStringLiteral(node.argument.literal)
    )
      found.push({ text: node.argument.literal.text, typeOnly: true });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const imports: Import[] = [...sources].flatMap(([from, source]) =>
  specifiersIn(source)
    .filter(({ text }) => text.startsWith('.') && !text.endsWith('.css'))
    .map(({ text, typeOnly }) => ({
      from,
      to: sourceNamed(normalize(join(dirname(from), text))),
      typeOnly,
    })),
);

const partOf = (file: string): string => {
  if (file === 'src/rng.ts' || file === 'src/stats.ts') return 'rng';
  const [top, second] = file.split('/');
  return top === 'src' ? second! : top!;
};

describe('imports', () => {
  it('the test sees them', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(150);
    expect(imports.filter(({ to }) => !sources.has(to)).map(({ from, to }) => `${from}: ${to}`)).toEqual([]);
  });

  it("go downwards only, as DESIGN.md's table says", () => {
    const wrong = imports.filter(({ from, to }) => {
      const [a, b] = [partOf(from), partOf(to)];
      const allowed = MAY[a] ?? [];
      return a !== b && !allowed.includes(b) && !allowed.includes(to.replace(/\.ts$/, ''));
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('make no cycle', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports)
      if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(cycles).toEqual([]);
  });

  it('leave the statecharts to actors/: only machines/ and role.ts know XState', () => {
    const allowed = (file: string) =>
      file.startsWith('machines/') || file === 'actors/role.ts' || file === 'actors/machines.ts';
    const knowing = [...sources].filter(([, source]) =>
      specifiersIn(source).some(({ text }) => text === 'xstate' || text.startsWith('xstate/')),
    );
    expect(knowing.map(([file]) => file).filter((file) => !allowed(file))).toEqual([]);
  });

  it('leave TensorFlow to src/lm/tfjs/, and threads to src/pool/', () => {
    const users = (names: RegExp) =>
      [...sources]
        .filter(([, source]) =>
          specifiersIn(source).some(({ text, typeOnly }) => !typeOnly && names.test(text)),
        )
        .map(([file]) => file);
    expect(users(/^@tensorflow\//).filter((file) => !file.startsWith('src/lm/tfjs/'))).toEqual([]);
    // A live run's inspector has a thread of its own; it holds no tensor.
    const inspector = ['src/cli/live-inspector.ts', 'src/cli/inspector-thread.ts'];
    expect(
      users(/^(piscina|node:worker_threads)$/).filter(
        (file) => !file.startsWith('src/pool/') && !inspector.includes(file),
      ),
    ).toEqual([]);
  });
});

describe('source files', () => {
  it('have no any', () => {
    const found: string[] = [];
    for (const [file, source] of sources) {
      const visit = (node: ts.Node): void => {
        if (node.kind === ts.SyntaxKind.AnyKeyword)
          found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`);
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    expect(found).toEqual([]);
  });

  it('draw no randomness and read no clock where a run must be repeatable', () => {
    const pure = files.filter((file) =>
      ['machines', 'stages', 'protocol', 'log', 'players', 'worlds', 'rng', 'serve'].includes(partOf(file)),
    );
    const found = pure.filter((file) =>
      /\bMath\.random\b|\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\brandomUUID\b/.test(
        readFileSync(join(root, file), 'utf8'),
      ),
    );
    expect(found).toEqual([]);
  });

  it('are no barrels: a file that only re-exports', () => {
    const barrels = [...sources].filter(
      ([, source]) =>
        source.statements.length > 0 &&
        source.statements.every((one) => ts.isExportDeclaration(one) && one.moduleSpecifier),
    );
    expect(barrels.map(([file]) => file)).toEqual([]);
  });

  it('have names that say what they hold', () => {
    expect(
      files.filter((file) => /^(utils?|helpers?|common|misc|shared)\.tsx?$/.test(basename(file))),
    ).toEqual([]);
    expect(files.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*\.tsx?$/.test(basename(file)))).toEqual([]);
  });

  it('stay short, but for those with a reason', () => {
    const lengths = files.map(
      (file) => [file, readFileSync(join(root, file), 'utf8').split('\n').length - 1] as const,
    );
    expect(
      lengths
        .filter(([file, length]) => length > LIMIT && !(file in LONG))
        .map(([file, length]) => `${file}: ${length} lines`),
    ).toEqual([]);
    expect(Object.keys(LONG).filter((file) => !files.includes(file))).toEqual([]);
  });

  it('begin with what they own (an experiment has a description instead)', () => {
    const bare = [...sources]
      .filter(([file, source]) => !file.startsWith('experiments/') && !/^(#!.*\n)?\/\*\*/.test(source.text))
      .map(([file]) => file);
    expect(bare).toEqual([]);
  });
});

describe('the tree', () => {
  it('top level holds what DESIGN.md lists, nothing else', () => {
    const known = [
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'src',
      'actors',
      'machines',
      'experiments',
      'test',
      'README.md',
      'LICENSE',
      'CONTRIBUTING.md',
      'docs',
      'bench',
      'assets',
    ];
    const built = ['node_modules', 'dist', 'runs', 'biome.json', 'tsconfig.build.json', 'vitest.config.ts'];
    const odd = readdirSync(root).filter(
      (name) => !name.startsWith('.') && !known.includes(name) && !built.includes(name),
    );
    expect(odd).toEqual([]);
  });

  it('src/ holds the folders of the table', () => {
    const odd = readdirSync(join(root, 'src')).filter(
      (name) => !(name in MAY) && !['rng.ts', 'stats.ts'].includes(name),
    );
    expect(odd).toEqual([]);
  });

  it('a machine and its drawing have the same basename', () => {
    const seven = ['coordinator', 'episode', 'generator', 'judge', 'meta-judge', 'responder', 'trainer'];
    expect(readdirSync(join(root, 'docs/machines')).sort()).toEqual(
      seven.flatMap((name) => [`${name}.json`, `${name}.mmd`, `${name}.svg`]),
    );
    expect(seven.filter((name) => !files.includes(`machines/${name}.ts`))).toEqual([]);
  });
});
