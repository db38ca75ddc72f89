// `npm test` and `npm run test:long`: what the tests need beside Node, then the build, then vitest.
// Plain JavaScript: it runs before anything is built. Further arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
// Debian keeps haproxy where the PATH of users does not look.
process.env.PATH = [process.env.PATH, '/usr/local/sbin', '/usr/sbin'].join(delimiter)

/** The programs, with the packages that bring them; some only for the long runs. */
const TOOLS = [
  { program: 'redis-server', debian: 'redis-server', brew: 'redis' },
  { program: 'redis-cli', debian: 'redis-tools', brew: 'redis' },
  { program: 'haproxy', debian: 'haproxy', brew: 'haproxy' },
  { program: 'prometheus', debian: 'prometheus', brew: 'prometheus' },
  { program: 'promtool', debian: 'prometheus', brew: 'prometheus' },
  { program: 'prometheus-redis-exporter', debian: 'prometheus-redis-exporter' },
  { program: 'prometheus-alertmanager', debian: 'prometheus-alertmanager', long: true },
  { program: 'python3', debian: 'python3', brew: 'python' },
  ...['socketio', 'requests', 'websocket'].map((name) => ({
    program: join(process.env.PYTHON_PACKAGES ?? '/usr/lib/python3/dist-packages', name),
    debian: `python3-${name}`,
  })),
  { program: 'openssl', debian: 'openssl', brew: 'openssl' },
  { program: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium', debian: 'chromium' },
]
const POLICY = '/usr/sbin/policy-rc.d'

provide()
run('npm', ['run', 'build'])
run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)])

function provide() {
  const long = process.argv.includes('long')
  const needed = TOOLS.filter((tool) => long || !tool.long)
  const missing = needed.filter(({ program }) => !isThere(program))
  if (missing.length === 0) return
  const packages = unique(missing.map(({ debian }) => debian))
  const names = missing.map(({ program }) => program).join(', ')
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    console.error(`The tests run real programs, and these are missing: ${names}. To install them:`)
    console.error(
      `  Debian, Ubuntu: sudo apt-get install --no-install-recommends ${packages.join(' ')}`,
    )
    console.error(
      `  macOS: brew install ${unique(missing.flatMap((tool) => tool.brew ?? [])).join(' ')}`,
    )
    console.error(
      '  Python packages elsewhere than Debian keeps them (PyPI: python-socketio[client]): set PYTHON_PACKAGES.',
    )
    console.error(
      '  A Chromium or Chrome elsewhere than /usr/bin/chromium: set CHROMIUM_PATH to it.',
    )
    process.exit(1)
  }
  console.log(`Missing: ${names}. Installing from Debian: ${packages.join(' ')}`)
  const restore = keepDaemonsDown()
  try {
    apt('update', '-q')
    apt('install', '-q', '-y', '--no-install-recommends', ...packages)
  } finally {
    restore()
  }
  const still = missing.filter(({ program }) => !isThere(program))
  if (still.length === 0) return
  console.error(`Installed, but still missing: ${still.map(({ program }) => program).join(', ')}`)
  process.exit(1)
}

/** Packages of servers start them; the tests start their own, and nobody asked for others. */
function keepDaemonsDown() {
  if (existsSync(POLICY)) return () => {}
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  return () => rmSync(POLICY, { force: true })
}

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status } = spawnSync('apt-get', args, { stdio: ['ignore', 'inherit', 'inherit'], env })
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed`)
}

function isThere(program) {
  const places = program.startsWith('/') ? [program] : inPath(program)
  return places.some((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function inPath(program) {
  return process.env.PATH.split(delimiter).map((directory) => join(directory, program))
}

function unique(values) {
  return [...new Set(values)]
}

function run(command, args) {
  const { status, signal } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1))
}
