import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { aclPassword, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const RAW = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='

test('a password is needed, and is in no argument of the process', async () => {
  const redis = await startRedis(testScope(), { rights: 'all', requirepass: RAW })
  expect(await redis.cli('PING')).toBe('PONG')
  expect(await redis.cliAs({}, 'PING')).toMatch(/^NOAUTH/)
  const cmdline = await readFile(`/proc/${redis.pid}/cmdline`, 'utf8')
  expect(cmdline).not.toContain(RAW)
})

test('a password may hold any character, and can be changed while it runs', async () => {
  const redis = await startRedis(testScope(), {
    ...{ rights: 'all', requirepass: `a "b' \\x41 #@:/?é%41` },
  })
  expect(await redis.cli('PING')).toBe('PONG')
  await redis.setPassword('ñ \\ " next')
  expect(await redis.cli('PING')).toBe('PONG')
  await redis.restart()
  expect(await redis.cli('PING')).toBe('PONG')
})

test('ACL users stand beside the default user', async () => {
  const redis = await startRedis(testScope(), {
    requirepass: 'owner',
    users: [`user gw on ${aclPassword('p w#')} ~rw:* &rw:* +@all`],
  })
  expect(await redis.cli('PING')).toBe('PONG')
  expect(await redis.cliAs({ username: 'gw', password: 'p w#' }, 'SET', 'other', '1')).toMatch(
    /NOPERM/,
  )
})

test('acknowledged writes outlive kill -9 with appendonly always', async () => {
  const redis = await startRedis(testScope(), { appendonly: 'always' })
  await redis.cli('SET', 'key', 'value')
  await redis.kill()
  expect(redis.running).toBe(false)
  await redis.start()
  expect(await redis.cli('GET', 'key')).toBe('value')
})

test('a paused server accepts connections, and answers once resumed', async () => {
  const redis = await startRedis(testScope())
  redis.pause()
  const reply = redis.cli('PING')
  const socket = connect(redis.port, redis.host)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.destroy()
  redis.resume()
  expect(await reply).toBe('PONG')
})
