import { passwordFromFile } from '../broker/redis/credentials.ts'
import { parseRedisUrl } from '../broker/redis/url.ts'
import { type CheckResult, type Finding, failed, note, ok, warning } from './check.ts'

/** RFC 3986 lets nothing else stand for itself before the @; strict parsers (Go's) refuse the rest. */
const PLAIN_IN_USERINFO = /[\w.~!$&'()*+,;=:-]/
/** What shells, .env files and compose.yml read as something else outside single quotes. */
const SHELL = /[\s$"'`\\#!&|;<>(){}*?[\]~]/
/** Guessing at a thousand billion a second takes years beyond this. */
const STRONG_BITS = 70
const COMMON =
  /^(pass(word)?|redis|secret|changeme|foobared|admin|root|test|default|letmein|qwerty|123)/i

const BREAKS: Readonly<Record<string, string>> = {
  '/': 'ends the address, so that host and port are lost',
  '?': 'begins a query, so that host and port are lost',
  '#': 'begins a fragment, so that host and port are lost',
  '%': 'begins a sequence that is decoded, or is refused',
}

export interface Advice {
  /** Undefined where it is none, such as an empty one: `checks` say why. */
  password: string | undefined
  checks: readonly CheckResult[]
}

/**
 * What is to be known of a password before it goes into a configuration.
 *
 * @param input as it came, a trailing newline included
 * @param show whether its percent-encoded form may be shown
 */
export function adviseOn(input: Uint8Array, show: boolean): Advice {
  const password = passwordFromFile(input)
  if (password === undefined) {
    const seen = input.length === 0 ? 'nothing came' : 'no password in UTF-8 came'
    const finding = failed(seen, "printf %s 'PASSWORD' | roomwire check-password, or type it in")
    return { password, checks: [{ id: 'input', ...finding }] }
  }
  const results: [string, Finding][] = [
    ['input', inputFinding(password, input)],
    ['strength', strengthFinding(password)],
    ['raw', rawFinding(password)],
    ['other-tools', otherToolsFinding(password)],
    ['encoded', encodedFinding(password, show)],
    ['shell', shellFinding(password)],
    ['file', fileFinding()],
  ]
  return { password, checks: results.map(([id, finding]) => ({ id, ...finding })) }
}

function inputFinding(password: string, input: Uint8Array): Finding {
  const length = `${[...password].length} characters`
  if (/[\r\n]/.test(password)) {
    const remedy = 'leave one line; everything is taken as the password, line breaks included'
    return warning(`${length} on more than one line`, remedy)
  }
  if (password.trim() !== password) {
    return warning(
      `${length}, with white space at an end`,
      'remove it, unless it belongs to the password: it is taken as part of it',
    )
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(password)) {
    return warning(`${length}, among them control characters`, 'is that meant?')
  }
  const newline = input.at(-1) === 0x0a ? '; the newline after it was not counted' : ''
  if (/[^\x20-\x7e]/.test(password)) {
    const seen = `${length}, not all of them ASCII${newline}`
    return note(seen, 'Redis compares bytes: it must be UTF-8 and composed alike everywhere')
  }
  return ok(`${length}${newline}`)
}

/** A hint for what people make up; what a generator makes passes. */
function strengthFinding(password: string): Finding {
  const remedy = 'openssl rand -hex 32 makes one that is strong, and safe everywhere'
  if (COMMON.test(password)) return note('begins like those that are tried first', remedy)
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^a-zA-Z\d]/].filter((kind) => kind.test(password))
  const alphabet = kinds.length === 1 && /^[\da-f]+$/i.test(password) ? 16 : kinds.length * 24
  const distinct = new Set(password).size
  const bits = Math.round(
    password.length * Math.log2(Math.max(2, Math.min(alphabet, distinct * 2))),
  )
  if (bits >= STRONG_BITS) return ok(`about ${bits} bits, if it was made at random`)
  return note(`about ${bits} bits at most: Redis answers very many guesses a second`, remedy)
}

/** Whether it can stand in a URL as it is, by the parser that gateways use. */
export function rawInUrl(password: string): boolean {
  const parsed = parseRedisUrl(`redis://:${password}@redis:6379/0`)
  if (!parsed.ok || parsed.url.host !== 'redis') return false
  return parsed.url.userinfo?.password?.value === password
}

function rawFinding(password: string): Finding {
  if (rawInUrl(password)) {
    return ok('Roomwire takes it as it stands: redis://:PASSWORD@redis:6379/0')
  }
  return warning(
    'in a URL its percent-sequences would be decoded, which makes it another password',
    'use *_PASSWORD_FILE or *_PASSWORD, which are never decoded, or its encoded form in the URL',
  )
}

/** By the parser of the platform, and by the letter of RFC 3986. */
function otherToolsFinding(password: string): Finding {
  const letters = [...new Set(password)]
  const breaking = letters.filter((letter) => !survivesUrl(`a${letter}b`))
  const strict = letters.filter((letter) => !PLAIN_IN_USERINFO.test(letter))
  const remedy = 'give other tools the encoded form, or the password by itself'
  if (breaking.length > 0 || !survivesUrl(password)) {
    const why = breaking.map((letter) => `${shown(letter)} ${BREAKS[letter] ?? 'is dropped'}`)
    const reason = why.length === 0 ? 'its percent-sequences are decoded' : why.join('; ')
    const seen = `raw in a URL it breaks WHATWG parsers (Node, node-redis, browsers): ${reason}`
    return note(seen, remedy)
  }
  if (strict.length === 0) return ok('raw in a URL it is safe everywhere')
  const seen = `raw in a URL strict parsers (Go, some regular expressions) stumble over ${strict.map(shown).join(' ')}`
  return note(seen, remedy)
}

function survivesUrl(password: string): boolean {
  try {
    const url = new URL(`redis://:${password}@redis:6379/0`)
    const kept = decodeURIComponent(url.password) === password
    return kept && url.hostname === 'redis' && url.port === '6379'
  } catch {
    return false
  }
}

function shown(letter: string): string {
  return /[^\x21-\x7e]/.test(letter) ? 'a character that is not printable ASCII' : `"${letter}"`
}

export function percentEncoded(password: string): string {
  return encodeURIComponent(password).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function encodedFinding(password: string, show: boolean): Finding {
  const encoded = percentEncoded(password)
  if (encoded === password) return ok('the same: nothing in it needs encoding')
  return show ? ok(encoded) : note('not shown', 'roomwire check-password --show prints it')
}

function shellFinding(password: string): Finding {
  if (!SHELL.test(password)) return ok('needs no quotes in shells and .env files')
  const remedy = password.includes("'")
    ? "in shells put single quotes around it and write '\\'' for the one within; .env files differ in how they take it, so use 'file', with which none of this matters"
    : "in shells and .env files put single quotes around it; in compose.yml write $$ for $; with 'file' none of this matters"
  return note(
    'has characters that shells, .env files or compose.yml read as something else',
    remedy,
  )
}

function fileFinding(): Finding {
  return note(
    'the better way, for every password',
    'write it alone into a file that only the gateway may read (umask 077), and set WEBSOCKET_REDIS_PASSWORD_FILE or REDIS_PASSWORD_FILE to its path',
  )
}
