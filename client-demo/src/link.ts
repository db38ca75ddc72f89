import type { Client } from '../../client/connect.ts'

/** What this page does to its connection on purpose. */
export interface Link {
  /** We went offline by ourselves. */
  readonly paused: boolean
  /** Not connected yet, because the visitor has not said their name. */
  readonly held: boolean
  hold(): void
  release(): void
  goOffline(): void
  goOnline(): void
  /** Ends the transport under the client, as a broken network does: it comes back by itself. */
  kill(): void
  /** Connects anew, where connected: the name travels in the handshake. */
  reintroduce(): void
}

export function createLink(client: Client): Link {
  let paused = false
  let held = false

  function goOffline(): void {
    paused = true
    client.pause()
  }

  function goOnline(): void {
    paused = false
    client.resume()
  }

  return {
    get paused() {
      return paused
    },
    get held() {
      return held
    },
    hold() {
      held = true
      client.pause()
    },
    release() {
      held = false
      client.resume()
    },
    goOffline,
    goOnline,
    kill: () => void client.socket.io.engine?.close(),
    reintroduce() {
      if (paused) return
      goOffline()
      goOnline()
    },
  }
}
