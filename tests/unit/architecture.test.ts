import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findViolations } from '../support/architecture.ts'
import { repositoryRoot } from '../support/gateway-process.ts'

const folders = ['server', 'client', 'client-demo', 'tests', 'bench', 'scripts']

function readSources(): Map<string, string> {
  const present = folders.filter((folder) => existsSync(join(repositoryRoot, folder)))
  const paths = present.flatMap((folder) =>
    readdirSync(join(repositoryRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|tsx|mjs)$/.test(name))
      .map((name) => `${folder}/${name}`),
  )
  return new Map(paths.map((path) => [path, readFileSync(join(repositoryRoot, path), 'utf8')]))
}

test('everyone imports only whom the design allows', () => {
  const sources = readSources()
  expect(sources.size).toBeGreaterThan(20)
  expect(findViolations(sources)).toEqual([])
})

test.each([
  ['server/rooms/a.ts', `import { createClient } from 'redis'`, 'only broker may import a Redis'],
  [
    'server/edge/a.ts',
    `import x from '@socket.io/redis-adapter'`,
    'only broker may import a Redis',
  ],
  ['server/rooms/a.ts', `import type { Server } from 'socket.io'`, 'may import Socket.IO'],
  ['server/rooms/a.ts', `import { x } from '../edge/http.ts'`, 'rooms may not import server/edge'],
  ['server/session/a.ts', `export { x } from '../rooms/rooms.ts'`, 'session may not import'],
  ['server/broker/a.ts', `import { x } from '../rooms/rooms.ts'`, 'broker may not import'],
  ['server/broker/redis/a.ts', `await import('../../config.ts')`, 'broker may not import'],
  ['server/observability/a.ts', `import '../errors.ts'`, 'observability may not import'],
  ['server/protocol.ts', `import {\n  a,\n} from './errors.ts'`, 'protocol may not import'],
  ['server/protocol.ts', `import { x } from './config.ts'`, 'protocol may not import'],
  ['server/edge/a.ts', `import { x } from '../broker/memory.ts'`, 'edge may not import'],
  ['server/edge/a.ts', `import { x } from '../rooms/rooms.ts'`, undefined],
  ['server/gateway.ts', `import { x } from './main.ts'`, 'gateway may not import'],
  ['client/a.ts', `import { requests } from '../server/protocol.ts'`, 'only types'],
  ['client/a.ts', `import type { Position } from '../server/protocol.ts'`, undefined],
  ['client-demo/src/a.ts', `import { x } from '../../server/config.ts'`, 'demo may not import'],
  ['server/edge/a.ts', `export const home = process.env.HOME`, 'only main.ts touches process'],
  ['server/edge/a.ts', `import { env } from 'node:process'`, 'only main may import process'],
  ['server/edge/a.ts', `// the process.env of redis://x\nconst a = 'process.env'`, undefined],
  ['server/new.ts', `export const a = 1`, 'belongs to no layer'],
  ['server/rooms/index.ts', `export const a = 1`, 'no barrel files'],
  ['server/rooms/all.ts', `export * from './a.ts'\nexport { b } from './b.ts'`, 'no barrel files'],
  ['server/utils/a.ts', `export const a = 1`, 'name it after what it holds'],
  ['server/edge/room-helpers.ts', `export const a = 1`, 'name it after what it holds'],
  ['tests/support/util.ts', `export const a = 1`, 'name it after what it holds'],
])('%s with %j: %s', (path, source, breach) => {
  const violations = findViolations(new Map([[path, source]]))
  if (breach === undefined) expect(violations).toEqual([])
  else expect(violations.join('\n')).toContain(breach)
})
