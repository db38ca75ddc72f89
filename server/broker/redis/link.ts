import type { CommandArguments } from './client.ts'
import type {
  ChannelListener,
  Connection,
  PatternListener,
  Reauthentication,
} from './connection.ts'
import type { FailureKind, RedisFailure } from './failure.ts'

export type RedisRole = 'rooms' | 'cache'

export type LinkState =
  | { name: 'starting' }
  | { name: 'ok'; since: number }
  | { name: 'down'; since: number; kind: FailureKind; message: string; failures: number }

/** Told of every change and every failure; implementations must not throw. */
export interface LinkObserver {
  failed(failure: RedisFailure): void
  /** The state changed: to `ok`, to `down`, or to another reason for being down or words for it. */
  changed(state: LinkState): void
  /** A probe went out and came back; ms. */
  probed(roundTripMs: number): void
}

/** A connection for commands that block, to one server. */
export interface Dedicated {
  readonly connection: Connection
  /** A hash tag whose keys this server serves. */
  readonly tag: string
}

/**
 * What one role has to its Redis: a connection for commands and, where messages are received, one
 * for subscriptions. It is `ok` only while a probe goes round: what the role does, done once, and a
 * published nonce that comes back through the subscription, because PING proves neither.
 *
 * On a cluster (cluster-link.ts) it is such a pair for each primary, behind the same interface: a
 * command goes where its first key is, all keys of one command share a slot.
 */
export interface RedisLink {
  readonly state: LinkState
  /** Channels are a cluster's: what is published to them goes out with SPUBLISH. */
  readonly sharded: boolean
  /** Resolves when the first probe has come back. */
  readonly ready: Promise<void>
  /**
   * Sends a command; rejects with `RedisFailure`, at once while commands are known to fail (D7).
   */
  command(args: CommandArguments): Promise<unknown>
  /** The same to every primary; one that does not answer fails it. */
  commandEach(args: CommandArguments): Promise<unknown[]>
  subscribe(channel: string, listener: ChannelListener): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** To all channels that a glob matches, for the life of the link; `refused` where the ACL forbids. */
  subscribePattern(pattern: string, listener: PatternListener, refused: () => void): void
  /**
   * Opens one more connection to each server there is and will be, for commands that block; they are
   * closed with the link. Returns which one serves a key; undefined while none is known.
   */
  dedicated(): (key: string) => Dedicated | undefined
  /** Logs every connection of this role in again, in place; one outcome for each. Never rejects. */
  reauthenticate(password: string): Promise<readonly Reauthentication[]>
  /**
   * Calls back each time the link becomes `ok` after subscriptions were interrupted, and when Redis
   * turns out to have lost data.
   */
  onRestored(listener: () => void): void
  /** Calls back at every change of state, after the observer. */
  onChange(listener: (state: LinkState) => void): void
  close(): void
}
