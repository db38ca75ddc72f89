import { execFileSync } from 'node:child_process'
import { createServer as createTcpServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import prettyLog from 'pino-pretty'
import { createServer } from 'vite'
import { startChild } from '../tests/support/child.ts'
import { startRedis } from '../tests/support/redis-server.ts'
import { createScope } from '../tests/support/scope.ts'

// `npm run dev`: a Redis, two instances that start again when a file changes, and a chat page with hot
// reload on each. Without redis-server: one instance, rooms in memory. The environment is yours.

const root = fileURLToPath(new URL('..', import.meta.url))
const scope = createScope()
const stop = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
})

const instances = [
  { name: 'dev-1', port: 8080, page: 5173 },
  { name: 'dev-2', port: 8081, page: 5174 },
]
const { PATH: _path, ...given } = process.env as Record<string, string>
const settings: Record<string, string> = { LOG_LEVEL: 'debug', ...given }
const isConfigured = ['REDIS_URL', 'WEBSOCKET_REDIS_URL', 'WEBSOCKET_MANAGER'].some(
  (name) => settings[name],
)
const startsRedis = !isConfigured && isInstalled('redis-server')
const shared = startsRedis || settings['REDIS_URL'] || settings['WEBSOCKET_REDIS_URL']
const started = shared ? instances : instances.slice(0, 1)
const needed = started.flatMap(({ port, page }) => [port, page])
// Vite listens on what localhost is, which may be ::1.
for (const port of needed) {
  if ((await isFree(port, '127.0.0.1')) && (await isFree(port, 'localhost'))) continue
  console.error(`Port ${port} is taken; npm run dev needs ${needed.join(', ')}.`)
  process.exit(1)
}
if (startsRedis) settings['REDIS_URL'] = (await startRedis(scope, { rights: 'all' })).url()
if (!shared) console.log('No Redis: one instance, rooms in memory.')

const pretty = prettyLog.prettyFactory({ colorize: process.stdout.isTTY, ignore: 'pid,hostname' })
for (const { name, port, page } of started) {
  const env = { ...settings, PORT: String(port), HOST: '127.0.0.1', INSTANCE_ID: name }
  const watch = ['node_modules/tsx/dist/cli.mjs', 'watch', '--clear-screen=false', 'server/main.ts']
  const child = await startChild(scope, process.execPath, watch, { cwd: root, env })
  child.onLine((line) => {
    process.stdout.write(`${name} ${line.startsWith('{') ? pretty(line) : `${line}\n`}`)
  })
  const target = `http://127.0.0.1:${port}`
  const vite = await createServer({
    root: `${root}/client-demo`,
    logLevel: 'warn',
    server: {
      port: page,
      strictPort: true,
      proxy: {
        '/socket.io': { target, ws: true },
        '/health': target,
        '/api': target,
        '/ops/data': target,
      },
    },
  })
  scope.defer(() => vite.close())
  await vite.listen()
  console.log(`${name}: page ${vite.resolvedUrls?.local[0]}, gateway ${target}`)
}

await stop
await scope.close()

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createTcpServer().once('error', () => resolve(false))
    probe.listen(port, host, () => probe.close(() => resolve(true)))
  })
}

function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
