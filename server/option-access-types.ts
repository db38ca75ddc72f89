import { isIP } from 'node:net'
import type { OptionType } from './option-types.ts'

/** So many in so long a time; undefined means no limit. */
export interface Rate {
  count: number
  perMs: number
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 }
const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  kb: 1000,
  mb: 1_000_000,
  kib: 1024,
  mib: 1_048_576,
}

/** `100/10s`; of bytes also `1MiB/10s`. `off` is a value of its own: it overrides a default. */
export function rate(unit: 'bytes' | 'count'): OptionType<Rate | 'off'> {
  const example = unit === 'bytes' ? '1MiB/10s' : '100/10s'
  return {
    expects: `a rate such as ${example}, or off`,
    writtenAs: 'a number, a slash, and 1 to 3600 s, m or h',
    parse(text) {
      if (/^(off|0)$/i.test(text)) return 'off'
      const match = /^(\d{1,12})\s*([kmi]{0,2}b)?\s*\/\s*(\d{1,4})?\s*([smh])$/i.exec(text)
      if (match === null || (match[2] !== undefined && unit !== 'bytes')) return undefined
      const count = Number(match[1]) * (UNIT_BYTES[(match[2] ?? '').toLowerCase()] ?? Number.NaN)
      const perMs = Number(match[3] ?? 1) * (UNIT_MS[(match[4] ?? 's').toLowerCase()] ?? 0)
      return count > 0 && perMs > 0 && perMs <= 3_600_000 ? { count, perMs } : undefined
    },
  }
}

/** Room names in which `*` stands for anything and `{sub}` for the user. */
export const roomPatterns: OptionType<readonly string[]> = {
  expects: 'room names separated by ";"; * stands for anything, {sub} for the user',
  parse(text) {
    const patterns = text.split(';').map((pattern) => pattern.trim())
    const named = patterns.filter((pattern) => pattern !== '')
    return named.every((pattern) => pattern.length <= 200) ? named : undefined
  },
}

/** An address to ask over HTTP; `fetch` takes none with credentials. */
export const httpUrl: OptionType<string> = {
  expects: 'a URL that begins with https:// or http://, without user and password',
  parse(text) {
    if (!URL.canParse(text)) return undefined
    const { protocol, username, password } = new URL(text)
    return /^https?:$/.test(protocol) && username + password === '' ? text : undefined
  },
}

/** A number of proxies, or which addresses are proxies. */
export const proxies: OptionType<number | readonly string[]> = {
  expects:
    'a number of proxies, or their addresses separated by ";": addresses, networks such as 10.0.0.0/8, loopback, linklocal, uniquelocal',
  parse(text) {
    if (/^\d{1,2}$/.test(text)) return Number(text)
    const entries = text.split(/[;,]/).map((entry) => entry.trim())
    const named = entries.filter((entry) => entry !== '')
    return named.length > 0 && named.every(isNetwork) ? named : undefined
  },
}

function isNetwork(entry: string): boolean {
  if (/^(loopback|linklocal|uniquelocal)$/.test(entry)) return true
  const [address = '', bits] = entry.split('/')
  const family = isIP(address)
  if (family === 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}
