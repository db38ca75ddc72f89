import { expect, test } from 'vitest'
import { redirectionIn } from '../../server/broker/redis/failure.ts'
import { bySlot, keyOf, slotOf, topologyFrom } from '../../server/broker/redis/slots.ts'

test('the slot of a key, as CLUSTER KEYSLOT has it', () => {
  expect(slotOf('123456789')).toBe(12_739)
  expect(slotOf('foo')).toBe(12_182)
  expect(slotOf('')).toBe(0)
  expect(slotOf('roomwire:{lobby}:meta')).toBe(slotOf('lobby'))
  expect(slotOf(Buffer.from('x{lobby}'))).toBe(slotOf('lobby'))
  expect(slotOf('ä{ä€}x')).toBe(slotOf('ä€'))
  // An empty tag is none, and ends the search for one.
  expect(slotOf('foo{}{bar}')).toBe(8363)
  expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'))
  expect(slotOf('foo{bar}{zap}')).toBe(slotOf('bar'))
  expect(slotOf('foo{bar')).not.toBe(slotOf('bar'))
})

test('which key says where a command goes', () => {
  expect(keyOf(['EVALSHA', 'sha', '2', 'k1', 'k2', 'arg'])).toBe('k1')
  expect(keyOf(['EVAL', 'return 1', '0'])).toBeUndefined()
  expect(keyOf(['HMGET', 'key', 'a'])).toBe('key')
  expect(keyOf(['SPUBLISH', 'channel', 'x'])).toBe('channel')
  expect(keyOf(['PUBSUB', 'SHARDNUMSUB', 'channel'])).toBe('channel')
  expect(keyOf(['INFO', 'memory'])).toBeUndefined()
})

test('channels of one slot go together', () => {
  expect(bySlot(['{a}1', '{b}1', '{a}2'])).toEqual([['{a}1', '{a}2'], ['{b}1']])
})

test('who serves what, as CLUSTER SLOTS says it; a node that names no host means its own', () => {
  const { owners, nodes } = topologyFrom(
    [
      [0, 8191, ['10.0.0.1', 7000, 'id1', []], ['10.0.0.2', 7001, 'id2', []]],
      [8192, 16_383, [null, 7002, 'id3', []], ['', 7003, 'id4', []]],
    ],
    'seed',
  )
  expect(owners[0]).toEqual({ host: '10.0.0.1', port: 7000 })
  expect(owners[8191]).toBe(owners[0])
  expect(owners[16_383]).toEqual({ host: 'seed', port: 7002 })
  expect(nodes).toHaveLength(4)
})

test.each([
  ['MOVED 3999 127.0.0.1:6381', { type: 'moved', slot: 3999, host: '127.0.0.1', port: 6381 }],
  ['ASK 0 ::1:6381', { type: 'ask', slot: 0, host: '::1', port: 6381 }],
  ['MOVED 5 :6381', { type: 'moved', slot: 5, host: '', port: 6381 }],
  ['TRYAGAIN Multiple keys request during rehashing of slot', { type: 'later' }],
  ['CLUSTERDOWN The cluster is down', undefined],
  ['ERR MOVED 1 a:1', undefined],
])('%s', (reply, redirection) => {
  expect(redirectionIn(reply)).toEqual(redirection)
})
