import { posix } from 'node:path'

/** A part of the code, told by path, and what of ours it may import besides itself. */
interface Layer {
  name: string
  files: RegExp
  mayImport: readonly RegExp[]
  /** What it imports of others are types: nothing of them is in what it ships. */
  typesOnly?: true
}

const vocabulary = /^server\/(protocol|errors|content|bounded-body|in-turn|ticks|keep-by-key)\.ts$/
/** Declared by who needs them; the broker implements them. */
const ports =
  /^server\/(rooms\/(message-log|presence|claims|occupancy)|session\/(sessions|revocations|user-ledger)|cache\/store|observability\/(directory|duplicate-store)|edge\/producers)\.ts$/

/** Design: folders, and who may import whom. The first layer that matches a path is the file's. */
const layers: readonly Layer[] = [
  { name: 'protocol', files: /^server\/protocol\.ts$/, mayImport: [] },
  { name: 'errors', files: /^server\/errors\.ts$/, mayImport: [] },
  { name: 'content', files: /^server\/content\.ts$/, mayImport: [] },
  {
    name: 'bounds',
    files: /^server\/(bounded-body|in-turn|ticks|keep-by-key)\.ts$/,
    mayImport: [],
  },
  {
    name: 'settings',
    files: /^server\/(config|option|redis-roles)[a-z-]*\.ts$/,
    mayImport: [/^server\/broker\/redis\/(url|credentials)\.ts$/, /^server\/token-key\.ts$/],
  },
  { name: 'secrets', files: /^server\/(secret-file|token-key)\.ts$/, mayImport: [] },
  { name: 'rooms', files: /^server\/rooms\//, mayImport: [vocabulary] },
  {
    name: 'session',
    files: /^server\/session\//,
    mayImport: [vocabulary, /^server\/(secret-file|token-key)\.ts$/],
  },
  { name: 'cache', files: /^server\/cache\//, mayImport: [vocabulary] },
  { name: 'observability', files: /^server\/observability\//, mayImport: [/^server\/ticks\.ts$/] },
  { name: 'broker', files: /^server\/broker\//, mayImport: [vocabulary, ports] },
  {
    name: 'edge',
    files: /^server\/edge\//,
    mayImport: [vocabulary, /^server\/(session|rooms|observability)\//],
  },
  {
    name: 'gateway',
    files: /^server\/gateway(-[a-z]+)?\.ts$/,
    mayImport: [/^server\/(?!main\.ts|cli\.ts)/],
  },
  {
    name: 'doctor',
    files: /^server\/doctor\//,
    mayImport: [
      /^server\/(config|option-reader|redis-roles)\.ts$/,
      /^server\/broker\/redis\//,
      vocabulary,
    ],
  },
  { name: 'cli', files: /^server\/cli(-[a-z]+)?\.ts$/, mayImport: [/^server\/(?!main\.ts)/] },
  { name: 'main', files: /^server\/main\.ts$/, mayImport: [/^server\//] },
  { name: 'client', files: /^client\//, mayImport: [vocabulary], typesOnly: true },
  {
    name: 'demo',
    files: /^client-demo\//,
    mayImport: [vocabulary, /^client\//],
    typesOnly: true,
  },
]

const packages = [
  {
    what: 'a Redis client or adapter',
    name: /^(redis|ioredis|@redis\/.*|@socket\.io\/.*(adapter|emitter))$/,
    allowed: ['broker'],
  },
  {
    what: 'Socket.IO',
    name: /^(socket\.io|engine\.io|ws)$/,
    allowed: ['edge', 'broker', 'gateway'],
  },
  { what: 'process', name: /^(node:)?process$/, allowed: ['main'] },
]

const vagueName = /(^|[/-])(utils?|helpers?|managers?|common|misc)(\.[a-z.]+$|\/|$)/

interface Import {
  specifier: string
  typeOnly: boolean
}

/** Every breach in a tree of sources, by path from the root, as sentences. */
export function findViolations(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([path, source]) => [
    ...nameViolations(path, source),
    ...importViolations(path, source),
    ...processViolations(path, source),
  ])
}

function nameViolations(path: string, source: string): string[] {
  const found: string[] = []
  if (vagueName.test(path)) found.push(`${path}: name it after what it holds, not utils or helpers`)
  const onlyExports = /^\s*(export\s[^;]*?from\s*['"][^'"]+['"];?\s*)+$/.test(
    withoutComments(source),
  )
  if (/(^|\/)index\.tsx?$/.test(path) || onlyExports) {
    found.push(`${path}: no barrel files; import from the file that holds the thing`)
  }
  return found
}

function importViolations(path: string, source: string): string[] {
  const layer = layers.find(({ files }) => files.test(path))
  if (layer === undefined) {
    return path.startsWith('server/') ? [`${path}: belongs to no layer of the design`] : []
  }
  return importsOf(source).flatMap((found) => {
    const { specifier, typeOnly } = found
    if (!specifier.startsWith('.')) {
      const rule = packages.find(({ name }) => name.test(specifier))
      if (rule === undefined || !path.startsWith('server/') || rule.allowed.includes(layer.name)) {
        return []
      }
      return [`${path}: only ${rule.allowed.join(', ')} may import ${rule.what} ('${specifier}')`]
    }
    const target = posix.join(posix.dirname(path), specifier)
    if (layer.files.test(target) || !isCode(target)) return []
    if (!layer.mayImport.some((allowed) => allowed.test(target))) {
      return [`${path}: ${layer.name} may not import ${target}`]
    }
    if (layer.typesOnly && target.startsWith('server/') && !typeOnly) {
      return [`${path}: ${layer.name} may import only types of ${target} (import type)`]
    }
    return []
  })
}

function processViolations(path: string, source: string): string[] {
  if (!path.startsWith('server/') || path === 'server/main.ts') return []
  const code = withoutComments(source).replace(/'(\\.|[^'\\\n])*'|"(\\.|[^"\\\n])*"/g, "''")
  // A property or an argument may be called so; the global is read, passed on, or called.
  return /(?<![.\w$-])process\s*(\.|\[|\?\.)|=\s*process\b|globalThis\.process/.test(code)
    ? [`${path}: only main.ts touches process; hand over what is needed of it`]
    : []
}

function importsOf(source: string): Import[] {
  const statement =
    /(?:\bimport|\bexport)\s+(type\s)?(?:[\w*{][^'"();=]*?from\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
  return [...withoutComments(source).matchAll(statement)].map((match) => ({
    specifier: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined,
  }))
}

/** Strings are matched too, so that a `//` in one does not begin a comment. */
function withoutComments(source: string): string {
  return source.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g,
    (match) => (match.startsWith('/') ? '' : match),
  )
}

function isCode(path: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(path)
}
