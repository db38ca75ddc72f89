import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { aclRule, rights } from '../../server/broker/redis/rights.ts'
import { runCli } from '../../server/cli.ts'
import { repositoryRoot } from '../support/gateway-process.ts'

/** Given to Redis by the client or the adapter's package, in no word of our code. */
const BY_LIBRARIES = [
  ...['hello', 'select', 'psubscribe', 'subscribe', 'unsubscribe', 'ssubscribe', 'sunsubscribe'],
  // The second words of commands of ours, or of the adapter's.
  ...['cluster|slots', 'pubsub|numsub', 'pubsub|shardnumsub'],
]

/** Commands that the files of these names give to Redis, in small letters. */
function commandsIn(files: (name: string) => boolean): Set<string> {
  // Nothing else may import a Redis client.
  const broker = join(repositoryRoot, 'server/broker')
  const used = new Set<string>()
  for (const path of readdirSync(broker, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts') || path.endsWith('rights.ts') || !files(basename(path))) continue
    const direct = readFileSync(join(broker, path), 'utf8').matchAll(
      /(?:redis\.p?call\(|command\(|sendCommand\(\[?|\(\[|[?:] (?=\[)|\[[\w.]*sharded \? )\s*\[?\s*'([A-Z]{3,})'/g,
    )
    for (const [, name] of direct) used.add(String(name).toLowerCase())
  }
  return used
}

test('the table has every command that the code gives to Redis, and no other', () => {
  const used = commandsIn(() => true)
  for (const name of BY_LIBRARIES) used.add(name)
  expect([...used].sort()).toEqual(rights.map(({ command }) => command).sort())
})

test('each role has every command of its own files', () => {
  /** Of what both roles have: links, probes, the client. */
  const shared =
    /^(client|connection|server-link|cluster-link|cluster-channels|topology|probes|rotation)\.ts$/
  const ofCache = /^cache-/
  const given = (role: 'rooms' | 'cache') =>
    new Set(rights.filter(({ roles }) => roles.includes(role)).map(({ command }) => command))
  const lacks = (role: 'rooms' | 'cache', files: (name: string) => boolean) =>
    [...commandsIn(files)].filter((name) => !given(role).has(name))
  expect(lacks('rooms', (name) => !ofCache.test(name) && !shared.test(name))).toEqual([])
  expect(lacks('cache', (name) => ofCache.test(name) || name === 'now.ts')).toEqual([])
})

test('each right is there once, and says why', () => {
  const names = rights.map(({ command }) => command)
  expect(new Set(names).size).toBe(names.length)
  for (const { why, roles } of rights) {
    expect(why).not.toBe('')
    expect(roles.length).toBeGreaterThan(0)
  }
})

async function printed(env: Record<string, string>) {
  let [stdout, stderr] = ['', '']
  const code = await runCli(['acl'], {
    env,
    stdin: Readable.from([]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { code, stdout, stderr }
}

test('without settings, roomwire acl prints what we ship, but for the user default', async () => {
  const shipped = readFileSync(join(repositoryRoot, 'deploy/users.acl'), 'utf8')
  const { code, stdout } = await printed({})
  expect(code).toBe(0)
  expect(shipped).toBe(`user default off ~* &* +@all\n${stdout}`)
})

test('roomwire acl: the user and the prefix of the settings, a rule for each Redis, no password', async () => {
  const { code, stdout, stderr } = await printed({
    WEBSOCKET_REDIS_URL: 'redis://gw:hunter2@rooms:6380/3',
    REDIS_URL: 'redis://:hunter2@cache',
    REDIS_KEY_PREFIX: 'app.1',
    PYTHON_SOCKETIO: 'true',
  })
  expect(code).toBe(0)
  const use = { keyPrefix: 'app.1', cluster: false }
  expect(stdout.trimEnd().split('\n')).toEqual([
    aclRule({
      ...{ ...use, user: 'gw', roles: ['rooms'] },
      channels: ['socket.io#/*', 'socket.io-request#/*', 'socketio'],
    }),
    aclRule({ ...use, user: 'roomwire', roles: ['cache'] }),
  ])
  expect(stdout).toContain('resetkeys ~app.1:* resetchannels &app.1:* &socket.io#/* &')
  expect(stderr).toContain('# rooms: rooms:6380\n')
  expect(stdout + stderr).not.toContain('hunter2')
})

test('roomwire acl: with problems, exit code 78 and no rule', async () => {
  const { code, stdout, stderr } = await printed({ REDIS_URL: 'hunter2' })
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
  expect(stderr).toMatch(/^error: REDIS_URL /)
})
