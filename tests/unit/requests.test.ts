import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyText, parseRequest } from '../../server/edge/requests.ts'
import { GatewayError, toWireError } from '../../server/errors.ts'
import { MAX_BODY_DEPTH, type RequestName, requests } from '../../server/protocol.ts'

function refusal(work: () => unknown) {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError)
    return toWireError(error)
  }
  return expect.fail('it was accepted')
}

const nested = (levels: number, kind: 'array' | 'object' = 'array') => {
  let value: unknown = 0
  for (let level = 0; level < levels; level += 1) value = kind === 'array' ? [value] : { a: value }
  return value
}

describe('a request', () => {
  it.each<[RequestName, unknown, string]>([
    ['room:send', undefined, 'payload'],
    ['room:send', null, 'payload'],
    ['room:send', 'text', 'payload'],
    ['room:send', 7, 'payload'],
    ['room:send', [], 'payload'],
    ['room:send', {}, 'room'],
    ['room:send', Buffer.from('binary'), 'room'],
    ['room:send', { room: 'r' }, 'id'],
    ['room:send', { room: 'r', id: 5, body: 1 }, 'id'],
    ['room:join', { room: 'r', since: 5 }, 'since'],
    ['room:join', { room: 'r', since: {} }, 'since.epoch'],
    ['room:join', { room: 'r', since: { epoch: 'e' } }, 'since.offset'],
    ['room:join', { room: 'r', since: { epoch: 'e', offset: 1, at: 'now' } }, 'since.at'],
    ['room:join', { room: 'r', limit: -1 }, 'limit'],
    ['room:join', { room: 'r', presence: 'yes' }, 'presence'],
    ['room:history', { room: 'r', before: 1.5 }, 'before'],
    ['room:typing', { room: 'r' }, 'typing'],
    ['gateway:hello', null, 'payload'],
  ])('%s with %j is refused for its %s', (name, payload, field) => {
    const { code, message, retryable } = refusal(() => parseRequest(name, payload))
    expect({ code, retryable }).toEqual({ code: 'BAD_REQUEST', retryable: false })
    expect(message.startsWith(`${field}: `)).toBe(true)
  })

  it.each<[RequestName, unknown, string]>([
    ['room:join', null, 'payload: must be an object'],
    ['room:send', { room: 'r', id: 'i' }, 'body: is missing'],
    ['room:send', { room: 'r', id: '', body: 1 }, 'id: must not be empty'],
    [
      'room:send',
      { room: 'r', id: 'x'.repeat(129), body: 1 },
      'id: must be at most 128 characters',
    ],
    ['room:history', { room: 'r', before: 1.5 }, 'before: must be a whole number'],
    ['room:history', { room: 'r', before: -1 }, 'before: must be at least 0'],
    ['room:typing', { room: 'r', typing: 1 }, 'typing: must be true or false'],
  ])('%s with %j is told: %s', (name, payload, told) => {
    expect(refusal(() => parseRequest(name, payload)).message).toBe(told)
  })

  it('reaches no prototype, and holds only what is known', () => {
    expect(parseRequest('room:leave', { room: 'r', more: 1 })).toEqual({ room: 'r' })
    const hostile = JSON.parse('{"room":"r","__proto__":{"presence":true},"constructor":{}}')
    const request = parseRequest('room:join', hostile)
    expect(Object.keys(request).toSorted()).toEqual(['limit', 'room'])
    expect(Object.getPrototypeOf(request)).toBe(Object.prototype)
    expect(Reflect.get({}, 'presence')).toBeUndefined()
  })

  it('room:join is what the schema makes of it, however it is read', () => {
    const room = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 70 }),
      fc.string({ minLength: 60, maxLength: 210 }),
      fc.constantFrom('', '\ud800', 'r', 'ä'.repeat(100), 'ä'.repeat(101)),
      fc.anything({ maxDepth: 1 }),
    )
    const maybe = fc.option(fc.anything({ maxDepth: 1 }), { nil: undefined })
    const payload = fc.oneof(
      fc.anything({ maxDepth: 1 }),
      fc.record({ room, more: maybe }, { requiredKeys: [] }),
      fc.record({ room, limit: fc.option(fc.nat(1100), { nil: undefined }), presence: maybe }),
      fc.record({ room, since: maybe }),
    )
    fc.assert(
      fc.property(payload, (value) => {
        const parsed = requests['room:join'].safeParse(value)
        const read = () => parseRequest('room:join', value)
        if (parsed.success) expect(read()).toEqual(parsed.data)
        else expect(read).toThrow(GatewayError)
      }),
      { numRuns: 500 },
    )
  })

  it('room:send is what the schema makes of it, however it is read', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 70 }),
      fc.string({ minLength: 60, maxLength: 210 }),
      fc.constantFrom('', '\ud800', 'r', 'ä'.repeat(100), 'ä'.repeat(101), 'x'.repeat(128)),
    )
    const anything = fc.anything({ maxDepth: 1 })
    const payload = fc.oneof(
      anything,
      fc.record(
        { room: fc.oneof(text, anything), id: fc.oneof(text, anything), body: fc.json() },
        { requiredKeys: [] },
      ),
      fc.record({ room: text, id: text, body: fc.jsonValue(), more: anything }),
    )
    fc.assert(
      fc.property(payload, (value) => {
        const parsed = requests['room:send'].safeParse(value)
        const read = () => parseRequest('room:send', value)
        if (parsed.success) expect(read()).toEqual(parsed.data)
        else expect(read).toThrow(GatewayError)
      }),
      { numRuns: 500 },
    )
  })

  it('never shows its own content in a refusal', () => {
    const secret = 'hunter2'
    const payloads = [{ room: { secret } }, { room: 'r', id: [secret] }, { [secret]: secret }]
    for (const payload of payloads) {
      expect(refusal(() => parseRequest('room:send', payload)).message).not.toContain(secret)
    }
  })
})

describe('a body', () => {
  it.each<[unknown, string]>([
    [null, 'null'],
    [0, '0'],
    ['', '""'],
    [[], '[]'],
    ['\ud800', '"\\ud800"'],
    ['\u2028', '"\u2028"'],
    [JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
    [{ toJSON: 'text' }, '{"toJSON":"text"}'],
  ])('%j is kept as JSON text', (body, text) => {
    expect(bodyText(body, 100)).toBe(text)
    expect(JSON.parse(text)).toEqual(body)
  })

  it.each<[string, unknown]>([
    ['is missing', undefined],
    ['not binary', Buffer.from('x')],
    ['not binary', { deep: [new Uint8Array(2)] }],
    ['not binary', new ArrayBuffer(1)],
    ['nested', nested(MAX_BODY_DEPTH + 1)],
    ['nested', nested(MAX_BODY_DEPTH + 1, 'object')],
    ['nested', nested(100_000)],
  ])('is refused: %s', (why, body) => {
    const { code, message } = refusal(() => bodyText(body, 1e6))
    expect(code).toBe('BAD_REQUEST')
    expect(message).toMatch(/^body: /)
    expect(message).toContain(why)
  })

  it('may be as deep and as long as the limits say', () => {
    expect(bodyText(nested(MAX_BODY_DEPTH), 1e6)).toHaveLength(2 * MAX_BODY_DEPTH + 1)
    expect(bodyText('x'.repeat(98), 100)).toHaveLength(100)
    expect(refusal(() => bodyText('x'.repeat(99), 100)).code).toBe('TOO_LARGE')
    expect(bodyText('€'.repeat(32), 98)).toHaveLength(34)
    expect(refusal(() => bodyText('€'.repeat(33), 98)).code).toBe('TOO_LARGE') // bytes, not units
  })
})
