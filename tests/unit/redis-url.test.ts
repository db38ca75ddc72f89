import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRedisUrl, type RedisUrl } from '../../server/broker/redis/url.ts'

function parsed(text: string): RedisUrl {
  const result = parseRedisUrl(text)
  if (!result.ok) throw new Error(result.problem)
  return result.url
}

function credentials(text: string): [string | undefined, string | undefined] {
  const { userinfo } = parsed(text)
  return [userinfo?.username?.value, userinfo?.password?.value]
}

describe('address', () => {
  test.each([
    ['redis://redis', 'redis', 6379, 0, false],
    ['redis://redis:6380/3', 'redis', 6380, 3, false],
    ['  redis://my_redis.internal:1/ \n', 'my_redis.internal', 1, 0, false],
    ['rediss://redis/0', 'redis', 6379, 0, true],
    ['valkey://redis', 'redis', 6379, 0, false],
    ['VALKEYS://redis', 'redis', 6379, 0, true],
    ['redis://[::1]:6380', '::1', 6380, 0, false],
    ['redis://:pw@[2001:db8::7]/2', '2001:db8::7', 6379, 2, false],
    ['redis://@redis', 'redis', 6379, 0, false],
  ])('%s', (text, host, port, database, tls) => {
    expect(parsed(text)).toMatchObject({ host, port, database, tls })
  })

  test('a password that looks like a port is never taken for one', () => {
    expect(parsed('redis://user:123#x@redis:6379')).toMatchObject({ host: 'redis', port: 6379 })
    expect(credentials('redis://user:123#x@redis:6379')).toEqual(['user', '123#x'])
    // Its host part forgotten, it must not reach a host `user`.
    expect(parseRedisUrl('redis://user:123#x').ok).toBe(false)
  })

  test('query parameters are named, never their values', () => {
    const names = (text: string) => parsed(text).ignoredParameters
    expect(names('redis://redis/0')).toEqual([])
    expect(names('redis://redis?db=3&password=hunter2')).toEqual(['db', 'password'])
    expect(names('redis://redis/0?hunter2')).toEqual(['(unnamed)'])
  })
})

describe('credentials', () => {
  const issued = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='

  test.each([
    [`redis://:${issued}@redis:6379/0`, undefined, issued],
    ['redis://gw:secret@redis', 'gw', 'secret'],
    ['redis://:a@b:c@d@redis', undefined, 'a@b:c@d'],
    ['redis://gw::/?#[]@@redis', 'gw', ':/?#[]@'],
    ['redis://: spaced @redis', undefined, ' spaced '],
    ['redis://gw:@redis', 'gw', undefined],
    ['redis://redis', undefined, undefined],
    // `+` is no space: this is no form data.
    ['redis://:a+b@redis', undefined, 'a+b'],
  ])('%s', (text, username, password) => {
    expect(credentials(text)).toEqual([username, password])
  })

  test.each([
    ['100%', '100%', 'literal'],
    ['%41 and 100%', '%41 and 100%', 'literal'],
    ['%zz', '%zz', 'literal'],
    // A valid sequence by its digits, but no UTF-8: nobody encoded that.
    ['caf%E9', 'caf%E9', 'literal'],
    ['a%2Bb', 'a+b', 'encoded'],
    ['a%2bb', 'a+b', 'encoded'],
    ['hey%21', 'hey!', 'encoded'],
    ['%C3%BC', 'ü', 'encoded'],
    ['%41', 'A', 'ambiguous'],
    ['p@ss%2B', 'p@ss+', 'ambiguous'],
    ['a+b%3D', 'a+b=', 'ambiguous'],
  ])('percent-sequences: %s', (text, value, form) => {
    expect(parsed(`redis://:${text}@redis`).userinfo?.password).toEqual({ value, form })
  })

  test('whatever the password holds, the host is what follows the last @', () => {
    const hostile = fc.string({ unit: fc.constantFrom(...'@:/#?%&=+[] 0123456789aFü') })
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (password) => {
        const url = parsed(`redis://gw:${password}@redis:6379/1`)
        expect(url).toMatchObject({ host: 'redis', port: 6379, database: 1 })
        expect(url.userinfo?.username?.value).toBe('gw')
        const part = url.userinfo?.password
        if (part?.form !== 'encoded' && part?.form !== 'ambiguous') {
          expect(part?.value ?? '').toBe(password)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('what encodeURIComponent wrote is read back, and known to be encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (password) => {
        const text = encodeURIComponent(password)
        const form = text === password || !text.includes('%') ? 'literal' : 'encoded'
        expect(parsed(`redis://:${text}@redis`).userinfo?.password).toEqual({
          value: password,
          form,
        })
      }),
    )
  })

  test('without a colon there is a user name only, and it is known that the colon was missing', () => {
    expect(parsed('redis://hunter2@redis').userinfo).toEqual({
      username: { value: 'hunter2', form: 'literal' },
      password: undefined,
      hasColon: false,
    })
  })
})

describe('what is refused names what would be right, and repeats nothing', () => {
  test.each([
    ['redis:6379', 'must start with redis://'],
    ['http://hunter2@redis', 'must start with redis://'],
    ['hunter2', 'must start with redis://'],
    ['"redis://:hunter2@redis"', 'quote'],
    ["'redis://:hunter2@redis'", 'quote'],
    ['redis://:hunter2@redis"', 'host'],
    ['redis://:hunter2@', 'has no host'],
    ['redis://:hunter2', 'has no host'],
    ['redis://', 'has no host'],
    ['redis://::1:6379', 'brackets'],
    ['redis://fd00::1:6379', 'brackets'],
    ['redis://:hunter2@[::1', 'host[:port][/database]'],
    ['redis://:hunter2@[redis]', 'neither a name nor an IP address'],
    ['redis://:hunter2@re dis', 'neither a name nor an IP address'],
    ['redis://:hunter2@redis:port', 'port from 1 to 65535'],
    ['redis://:hunter2@redis:', 'port from 1 to 65535'],
    ['redis://:hunter2@redis:0', 'port from 1 to 65535'],
    ['redis://:hunter2@redis:65536', 'port from 1 to 65535'],
    ['redis://:hunter2@redis/zero', 'database number'],
    ['redis://:hunter2@redis/0/1', 'database number'],
    ['redis://:hunter2@redis/0#x', 'host[:port][/database]'],
  ])('%s', (text, reason) => {
    const result = parseRedisUrl(text)
    expect(result).toMatchObject({ ok: false, problem: expect.stringContaining(reason) })
    expect(JSON.stringify(result)).not.toContain('hunter2')
  })
})
