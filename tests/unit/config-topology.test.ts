import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../server/config.ts'

type Env = Record<string, string>

function read(env: Env, files: Record<string, string> = {}) {
  return readConfig(env, (path) => {
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error(), { code: 'ENOENT' })
    return new TextEncoder().encode(content)
  })
}

function problems(env: Env): readonly { variable: string; message: string }[] {
  try {
    read(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('Sentinels: the host is the name of the master, credentials are their own', () => {
  const { config, warnings } = read(
    {
      REDIS_URL: 'rediss://gw:data@mymaster/2',
      REDIS_SENTINEL_HOSTS: ' s1, s2:5000,[::1]:7 ',
      REDIS_SENTINEL_PORT: '26380',
      REDIS_SENTINEL_USERNAME: 'watcher',
      REDIS_SENTINEL_PASSWORD_FILE: '/secret',
    },
    { '/secret': 'p@ss\n' },
  )
  expect(config.rooms).toBe(config.cache)
  expect(config.rooms).toMatchObject({
    ...{ host: 'mymaster', database: 2, username: 'gw', password: 'data', cluster: undefined },
    sentinel: {
      hosts: [
        { host: 's1', port: 26_380 },
        { host: 's2', port: 5000 },
        { host: '::1', port: 7 },
      ],
      ...{ username: 'watcher', password: 'p@ss' },
      passwordSource: 'REDIS_SENTINEL_PASSWORD_FILE',
    },
  })
  expect(warnings).toEqual([])
})

test('Sentinels without a password do not get that of the data', () => {
  const { config } = read({ REDIS_URL: 'redis://:data@m', REDIS_SENTINEL_HOSTS: 's' })
  expect(config.rooms?.sentinel).toMatchObject({ username: undefined, password: undefined })
})

test('the other names of the rooms’ Sentinels', () => {
  const common = { WEBSOCKET_REDIS_URL: 'redis://m', WEBSOCKET_SENTINEL_HOSTS: 's1,s2' }
  expect(read(common).config.rooms?.sentinel?.hosts).toEqual([
    { host: 's1', port: 26_379 },
    { host: 's2', port: 26_379 },
  ])
  const ports = { WEBSOCKET_SENTINEL_PORT: '1', WEBSOCKET_REDIS_SENTINEL_PORT: '2' }
  const port = (env: Env) => read({ ...common, ...env }).config.rooms?.sentinel?.hosts[0]?.port
  expect(port({ WEBSOCKET_SENTINEL_PORT: '1' })).toBe(1)
  expect(port(ports)).toBe(2)
})

test('a cluster: several hosts, no database, no Sentinels', () => {
  const cluster = { REDIS_CLUSTER: 'true' }
  expect(
    read({ ...cluster, REDIS_URL: 'redis://:pw@a:7000,b,[::1]:7002' }).config.rooms,
  ).toMatchObject({
    ...{ password: 'pw', sentinel: undefined },
    cluster: {
      seeds: [
        { host: 'a', port: 7000 },
        { host: 'b', port: 6379 },
        { host: '::1', port: 7002 },
      ],
    },
  })
  for (const [env, variable] of [
    [{ ...cluster, REDIS_URL: 'redis://a/1' }, 'REDIS_URL'],
    [{ ...cluster, REDIS_URL: 'redis://a,b:x' }, 'REDIS_URL'],
    [{ ...cluster, REDIS_URL: 'redis://a', REDIS_SENTINEL_HOSTS: 's' }, 'REDIS_SENTINEL_HOSTS'],
    [{ REDIS_URL: 'redis://a,b' }, 'REDIS_URL'],
    [{ REDIS_SENTINEL_HOSTS: 's' }, 'REDIS_SENTINEL_HOSTS'],
    [{ WEBSOCKET_SENTINEL_HOSTS: 's' }, 'WEBSOCKET_SENTINEL_HOSTS'],
    [{ REDIS_URL: 'redis://a', REDIS_SENTINEL_HOSTS: 's:99999' }, 'REDIS_SENTINEL_HOSTS'],
    [{ REDIS_URL: 'redis://a', REDIS_SENTINEL_HOSTS: 'redis://s' }, 'REDIS_SENTINEL_HOSTS'],
  ] as const) {
    expect(problems(env), JSON.stringify(env)).toMatchObject([{ variable }])
  }
})

test('a role that has nothing of its own is the other as a whole; what goes with it is said to be unused', () => {
  const { config, warnings } = read({
    REDIS_URL: 'redis://a,b',
    REDIS_CLUSTER: 'true',
    WEBSOCKET_REDIS_CLUSTER: 'true',
  })
  expect(config.rooms).toBe(config.cache)
  expect(warnings).toMatchObject([{ variable: 'WEBSOCKET_REDIS_CLUSTER' }])
})
