import type { Inspection } from '../broker/redis/inspection.ts'
import type { Config, ConfigWarning, RedisTarget } from '../config.ts'
import type { Environment } from '../option-reader.ts'
import type { FirstWords } from './sockets.ts'

/** One Redis role under examination. Later checks use what earlier ones learned. */
export interface Role {
  readonly name: 'rooms' | 'cache'
  /** The other role has the same target: this one is examined for both. */
  readonly shared: boolean
  /** The server under examination: with Sentinels or a cluster, one that they name. */
  target: RedisTarget
  /** `REDIS` or `WEBSOCKET_REDIS`: variables are named after it. */
  readonly prefix: string
  readonly config: Config
  readonly env: Environment
  readonly warnings: readonly ConfigWarning[]
  /** ms since 1970; of this machine. */
  readonly now: () => number
  readonly learned: {
    /** What the server did at a PING of somebody who has not logged in. */
    greeting?: FirstWords
    /** Of the server, DER. */
    certificate?: Uint8Array
    /** Of a cluster: a hash tag whose slot the server under examination has. */
    tag?: string
    /** Logged in. */
    inspection?: Inspection
    /** Fields of INFO; undefined where the server does not show it. */
    info?: ReadonlyMap<string, string>
  }
}

/** Of the logged-in connection; for checks that need `auth`. */
export function inspected(role: Role): Inspection {
  const { inspection } = role.learned
  if (inspection === undefined) throw new Error('not logged in')
  return inspection
}

export function place({ target }: Role): string {
  return `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
}
