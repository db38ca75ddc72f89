import { ErrorReply } from 'redis'
import { describe, expect, test } from 'vitest'
import { classify, type FailureKind, RedisFailure } from '../../server/broker/redis/failure.ts'

const reply = (text: string) => new ErrorReply(text)
const system = (code: string, message = `connect ${code} 127.0.0.1:6379`) =>
  Object.assign(new Error(message), { code })

/** As Redis 6 to 8 and Valkey word them. */
const REPLIES: readonly [text: string, kind: FailureKind][] = [
  ['NOAUTH Authentication required.', 'noauth'],
  ['NOAUTH HELLO must be called with the client already authenticated', 'noauth'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'wrongpass'],
  ['ERR invalid password', 'wrongpass'],
  [
    'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    'wrongpass',
  ],
  ["NOPERM this user has no permissions to run the 'set' command", 'noperm'],
  ["NOPERM User gw has no permissions to run the 'evalsha' command", 'noperm'],
  ['NOPERM No permissions to access a key', 'noperm'],
  ['NOPERM No permissions to access a channel', 'noperm'],
  ["ERR The user executing the script can't run this command or subcommand script: e81", 'noperm'],
  ["ERR ACL failure in script: User gw has no permissions to run the 'xadd' command", 'noperm'],
  ['LOADING Redis is loading the dataset in memory', 'loading'],
  ["READONLY You can't write against a read only replica.", 'readonly'],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'readonly'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'oom'],
  ['ERR max number of clients reached', 'maxclients'],
  ['MISCONF Redis is configured to save RDB snapshots, but it is unable to persist', 'misconf'],
  ['NOREPLICAS Not enough good replicas to write.', 'replicas'],
  ['CLUSTERDOWN Hash slot not served', 'cluster'],
  ['MOVED 3999 127.0.0.1:6381', 'cluster'],
  ['ERR DB index is out of range', 'database'],
  ['ERR SELECT is not allowed in cluster mode', 'database'],
  ['NOSCRIPT No matching script. Please use EVAL.', 'noscript'],
  ['ERR Protocol error: invalid multibulk length', 'parse'],
  ['ERR something new', 'other'],
]

const CODES: readonly [code: string, plain: FailureKind, overTls: FailureKind][] = [
  ['ENOTFOUND', 'dns', 'dns'],
  ['EAI_AGAIN', 'dns', 'dns'],
  ['ECONNREFUSED', 'refused', 'refused'],
  ['EHOSTUNREACH', 'unreachable', 'unreachable'],
  ['ENETUNREACH', 'unreachable', 'unreachable'],
  ['ETIMEDOUT', 'timeout', 'timeout'],
  // During a TLS handshake the end of a connection is the answer of a port that does not want it.
  ['ECONNRESET', 'closed', 'tls'],
  ['EPIPE', 'closed', 'tls'],
  ['EPROTO', 'tls', 'tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'tls', 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls', 'tls'],
  ['CERT_HAS_EXPIRED', 'tls', 'tls'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls', 'tls'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls', 'tls'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls', 'tls'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'tls', 'tls'],
  ['ENOANSWER', 'other', 'other'],
]

describe('the kind of a failure', () => {
  test.for(REPLIES)('by its reply: %s', ([text, kind]) => {
    expect(classify(reply(text)).kind).toBe(kind)
  })

  test.for(CODES)('by its code: %s', ([code, plain, overTls]) => {
    expect(classify(system(code)).kind).toBe(plain)
    expect(classify(system(code), true).kind).toBe(overTls)
  })

  test('by the client’s own words', () => {
    expect(classify(new Error('Connection timeout')).kind).toBe('timeout')
    expect(classify(new Error('Socket closed unexpectedly')).kind).toBe('closed')
    expect(classify(new Error('Socket closed unexpectedly'), true).kind).toBe('tls')
    expect(classify(new Error('The client is closed')).kind).toBe('closed')
    expect(classify(new Error('Unknown RESP type 72 "H"')).kind).toBe('parse')
  })

  test('by the first address, where a host has several', () => {
    const all = new AggregateError([system('ECONNREFUSED'), system('ENETUNREACH')])
    expect(classify(all).kind).toBe('refused')
    expect(classify(new AggregateError([])).kind).toBe('other')
  })

  test('stays what it was found to be', () => {
    expect(classify(new RedisFailure('loading'), true).kind).toBe('loading')
  })

  test.for([undefined, null, 'text', 7, {}])('of something that is no error: %s', (thrown) => {
    expect(classify(thrown).kind).toBe('other')
  })
})

describe('what a failure says', () => {
  test('names the missing right, not whose or on what', () => {
    const said = (text: string) => classify(reply(text)).detail
    expect(said("NOPERM User gw has no permissions to run the 'config|get' command")).toBe(
      'the command config|get',
    )
    expect(said('NOPERM No permissions to access a channel')).toMatch(/&<prefix>:\*/)
    expect(said('NOPERM User gw has no permissions to access the secret key')).toMatch(
      /~<prefix>:\*/,
    )
  })

  test('holds nothing of the error’s own text, which may hold a secret', () => {
    const secret = 'c2VjcmV0+/secret='
    const thrown = [
      ...REPLIES.map(([text]) => reply(`${text} ${secret}`)),
      ...CODES.map(([code]) => system(code, `${code} redis://:${secret}@redis:6379`)),
      new TypeError(`Invalid URL redis://:${secret}@redis:6379`),
      reply(`NOPERM User ${secret} has no permissions to access the channel ${secret}`),
      reply(`NOPERM User ${secret} has no permissions to run the '${secret}' command`),
      secret,
    ]
    for (const error of thrown) {
      const { kind, detail } = classify(error)
      const failure = new RedisFailure(kind, detail === undefined ? {} : { detail })
      expect(failure.message).not.toContain(secret)
      expect(failure.cause).toBeUndefined()
    }
  })

  test('explains every kind in its own words', () => {
    const kinds = [...REPLIES, ...CODES].map(([, kind]) => kind)
    const messages = [...new Set(kinds)].map((kind) => new RedisFailure(kind).message)
    expect(new Set(messages).size).toBe(new Set(kinds).size)
    for (const message of messages) expect(message.length).toBeGreaterThan(10)
  })
})
