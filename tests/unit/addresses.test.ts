import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { createAddresses } from '../../server/edge/addresses.ts'
import { createOrigins } from '../../server/edge/origins.ts'

const request = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage
const forwarded = (list: string) => ({ 'x-forwarded-for': list })

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s', (address, expected) => {
  expect(createAddresses(0).of(request(address))).toBe(expected)
})

test.each([
  ['nobody is believed', 0, '9.9.9.9', '1.1.1.1', '9.9.9.9'],
  ['one proxy: the last entry is its own', 1, '9.9.9.9', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  ['two proxies', 2, '9.9.9.9', '6.6.6.6, 1.1.1.1, 9.9.9.8', '1.1.1.1'],
  ['a named proxy', ['9.9.9.0/24'], '9.9.9.9', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  ['a stranger who says so', ['9.9.9.0/24'], '8.8.8.8', '1.1.1.1', '8.8.8.8'],
  ['a chain that is named', ['9.9.9.0/24'], '9.9.9.9', '6.6.6.6, 1.1.1.1, 9.9.9.8', '1.1.1.1'],
] as const)('%s', (_what, proxies, address, list, expected) => {
  const { of } = createAddresses(proxies)
  expect(of(request(address, forwarded(list)))).toBe(expected)
})

test('a forwarded host counts from a trusted proxy alone', () => {
  const headers = { host: 'inside:8080', 'x-forwarded-host': 'chat.example' }
  expect(createAddresses(0).host(request('9.9.9.9', headers))).toBe('inside:8080')
  expect(createAddresses(1).host(request('9.9.9.9', headers))).toBe('chat.example')
  expect(createAddresses(['9.9.9.9']).host(request('8.8.8.8', headers))).toBe('inside:8080')
})

test.each([
  [undefined, 'none'],
  ['https://chat.example', 'trusted'],
  ['https://CHAT.example', 'trusted'],
  ['https://app.example', 'trusted'],
  ['http://app.example', 'foreign'],
  ['https://app.example:8443', 'foreign'],
  ['https://app.example.evil', 'foreign'],
  ['https://chat.example@evil.example', 'foreign'],
  ['null', 'foreign'],
  ['', 'foreign'],
])('origin %j of a request to chat.example is %s', (origin, expected) => {
  const provenance = createOrigins(['https://app.example'], () => 'chat.example')
  const headers = origin === undefined ? {} : { origin }
  expect(provenance(request('9.9.9.9', headers))).toBe(expected)
})

test('where all are allowed, cookies of strangers still do not count', () => {
  const provenance = createOrigins(['*'], () => 'chat.example')
  expect(provenance(request('9.9.9.9', { origin: 'https://evil.example' }))).toBe('any')
})
