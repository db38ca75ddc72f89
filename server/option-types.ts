/** How the text of one kind of option becomes a value. */
export interface OptionType<T> {
  /** Completes "must be …", in messages and in the documentation. */
  expects: string
  /** How to write it; follows in messages. The documentation says it once for all. */
  writtenAs?: string
  /** Undefined where the text is not what was expected. The text is trimmed unless `literal`. */
  parse(text: string): T | undefined
  /** Taken as it stands, white space included: secrets and user names. */
  literal?: boolean
}

const SECOND = 1000
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
  d: 86_400 * SECOND,
}

const KIB = 1024
const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1_000_000,
  kib: KIB,
  mib: KIB * KIB,
}

const SWITCH: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
}

export function integer(min: number, max: number): OptionType<number> {
  return {
    expects: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^\d{1,15}$/.test(text) ? within(Number(text), min, max) : undefined),
  }
}

/** In ms. Bounds are written as an operator would write them, and shown like that. */
export function duration(min: string, max: string): OptionType<number> {
  const minMs = parseDuration(min) ?? 0
  const maxMs = parseDuration(max) ?? 0
  return {
    expects: `a duration from ${min} to ${max}`,
    writtenAs: 'seconds, or a number with ms, s, m, h or d',
    parse: (text) => within(parseDuration(text), minMs, maxMs),
  }
}

/** In bytes. */
export function size(min: string, max: string): OptionType<number> {
  const minBytes = parseSize(min) ?? 0
  const maxBytes = parseSize(max) ?? 0
  return {
    expects: `a size from ${min} to ${max}`,
    writtenAs: 'bytes, or a number with kB, MB, KiB or MiB',
    parse: (text) => within(parseSize(text), minBytes, maxBytes),
  }
}

export const boolean: OptionType<boolean> = {
  expects: 'true or false',
  writtenAs: 'or yes, no, on, off, 1, 0',
  parse: (text) =>
    Object.hasOwn(SWITCH, text.toLowerCase()) ? SWITCH[text.toLowerCase()] : undefined,
}

export function oneOf<const T extends string>(...values: readonly T[]): OptionType<T> {
  return {
    expects: `one of ${values.join(', ')}`,
    parse: (text) => values.find((value) => value === text.toLowerCase()),
  }
}

export function matching(pattern: RegExp, expects: string): OptionType<string> {
  return { expects, parse: (text) => (pattern.test(text) ? text : undefined) }
}

/** Anything. */
export function text(expects: string): OptionType<string> {
  return { expects, parse: (value) => value }
}

/** Names without spaces, separated by commas. */
export function names(expects: string): OptionType<readonly string[]> {
  return {
    expects: `${expects}, separated by commas`,
    parse(text) {
      const entries = text.split(',').map((entry) => entry.trim())
      const given = entries.filter((entry) => entry !== '')
      return given.length > 0 && given.every((entry) => !/\s/.test(entry)) ? given : undefined
    },
  }
}

/** Anything, unchanged. */
export function literal(expects: string): OptionType<string> {
  return { expects, parse: (text) => text, literal: true }
}

/** Origins as browsers send them: lower case, no trailing slash, no default port. */
export const origins: OptionType<readonly string[]> = {
  expects: 'origins such as https://chat.example.com separated by ";", or * for all',
  parse(text) {
    const entries = text.split(';').map((entry) => entry.trim().toLowerCase().replace(/\/$/, ''))
    const named = entries.filter((entry) => entry !== '')
    if (named.includes('*')) return ['*']
    if (!named.every((entry) => /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*,]+$/.test(entry)))
      return undefined
    return named.map((entry) => entry.replace(/^(https:.*):443$|^(http:.*):80$/, '$1$2'))
  },
}

/** Host names or IP addresses, each with a port or without; the host's text is checked by its reader. */
export const hosts: OptionType<readonly string[]> = {
  expects: 'host names or IP addresses separated by commas, each with :port or without',
  parse(text) {
    const entries = text.split(',').map((entry) => entry.trim())
    const named = entries.filter((entry) => entry !== '')
    const valid = named.every((entry) =>
      /^([\w.-]{1,253}|\[[\da-fA-F:.]+\])(:\d{1,5})?$/.test(entry),
    )
    return valid && named.length > 0 ? named : undefined
  },
}

/** A path with a slash at both ends, away from those the gateway serves itself. */
export const socketPath: OptionType<string> = {
  expects: 'a path such as /socket.io/, other than / and those of the HTTP interface',
  parse(text) {
    const path = `/${text.replace(/^\/+|\/+$/g, '')}/`
    const taken = ['/health/', '/metrics/', '/api/', '/ops/'].some((own) => path.startsWith(own))
    return /^(\/[\w.~-]+)+\/$/.test(path) && !taken ? path : undefined
  },
}

function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?$/i.exec(text)
  if (match === null) return undefined
  return Math.round(Number(match[1]) * (UNIT_MS[(match[2] ?? 's').toLowerCase()] ?? SECOND))
}

function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)$/i.exec(text)
  const unit = match === null ? undefined : UNIT_BYTES[(match[2] ?? '').toLowerCase()]
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit)
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined
}
