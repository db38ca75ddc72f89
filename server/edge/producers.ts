interface Target {
  namespace: string
  /** Socket.IO rooms, or ids of connections; empty: everybody in the namespace. */
  rooms: readonly string[]
  except: readonly string[]
}

/** What a backend without a connection asks of connections. */
export type ProducerCommand = Target &
  (
    | {
        kind: 'emit'
        event: string
        args: readonly unknown[]
        volatile: boolean
        compress: boolean
      }
    | { kind: 'join' | 'leave'; names: readonly string[] }
    /** `close`: the whole connection, not just the namespace. */
    | { kind: 'disconnect'; close: boolean }
    /** For the handlers of embedders: `io.on(event)`. */
    | { kind: 'notify'; event: string; args: readonly unknown[] }
  )

/**
 * Why a producer's message is not obeyed; `failed`: a handler of the application threw; `server`: it is
 * from another Socket.IO server, to servers of its kind.
 */
export type Refusal =
  | 'too_large'
  | 'pickle'
  | 'malformed'
  | 'unsupported'
  | 'event'
  | 'namespace'
  | 'failed'
  | 'server'

/**
 * Where such commands come from. Every instance hears every command once and obeys it for its own
 * connections. Nothing is stored: what is lost on the way is lost.
 */
export interface Producers {
  listen(listener: (producer: string, command: ProducerCommand) => void): void
}
