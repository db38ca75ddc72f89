import type { ManagerOptions, SocketOptions } from 'socket.io-client'

/** Where what is not sent yet is kept: over reloads, as long as the page, or not at all. */
export type Storage = 'indexeddb' | 'memory' | 'none'

export interface ConnectOptions {
  /**
   * A token, or what fetches a fresh one: called before every connection, within the 15 s that it may
   * take.
   */
  token?: string | (() => Promise<string>)
  /** What others see, 1 to 64 characters; gateways that check tokens take the token's. */
  name?: string
  /**
   * 1 to 128 characters: the scope of message ids, and a secret. By default one per tab, which its
   * reloads keep and its duplicates do not share. In Node: a new one unless given.
   */
  session?: string
  /**
   * The id of who is signed in (`user.id`), where the page knows it before the gateway says so: what
   * this user's closed tabs left unsent is then taken over. Needed for that only with a `token`.
   */
  user?: string
  /** Path of Socket.IO at the gateway; `/socket.io/`. */
  path?: string
  /**
   * `indexeddb` where there is one, else `memory`. With `none` a message that cannot be sent at once
   * is refused.
   */
  storage?: Storage
  /** Messages that may wait (2,000), and their bytes as JSON (4 MiB): more are `OUTBOX_FULL`. */
  outbox?: { maxMessages?: number; maxBytes?: number }
  /** For Socket.IO itself: `withCredentials`, `extraHeaders`, `transports` … */
  socket?: Partial<ManagerOptions & SocketOptions>
}
