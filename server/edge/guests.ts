import type { Socket } from 'socket.io'
import { concerns } from '../session/authentication.ts'
import type { Identity } from '../session/identity.ts'
import type { Revocation } from '../session/revocations.ts'

/**
 * Connections to an application's own namespaces: their time is over when their token expires, when it
 * or their user is revoked, and when their user is disconnected, as it is in `/`.
 */
export interface Guests {
  admit(socket: Socket, identity: Identity): void
  revoked(revocation: Revocation): void
  disconnected(user: string, reconnect: boolean): void
}

/** The longest that a timer of Node can wait, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** @param isTooLate revoked between its handshake and now */
export function createGuests(isTooLate: (identity: Identity) => boolean): Guests {
  const guests = new Map<Socket, Identity>()

  function expireAt(socket: Socket, at: number): void {
    const wait = Math.min(MAX_TIMER_MS, Math.max(0, at - Date.now()))
    const timer = setTimeout(() => socket.conn.close(), wait).unref()
    socket.once('disconnect', () => clearTimeout(timer))
  }

  return {
    admit(socket, identity) {
      guests.set(socket, identity)
      socket.once('disconnect', () => guests.delete(socket))
      if (identity.token !== undefined) expireAt(socket, identity.token.expiresAt)
      if (isTooLate(identity)) socket.disconnect(true)
    },
    revoked(revocation) {
      for (const [socket, { user, token }] of guests) {
        if (token !== undefined && concerns(revocation, user.id, token)) socket.disconnect(true)
      }
    },
    disconnected(user, reconnect) {
      for (const [socket, identity] of guests) {
        if (identity.user.id !== user) continue
        // Plain clients come back from a closed transport, and stay away after a server disconnect.
        if (reconnect) socket.conn.close()
        else socket.disconnect(true)
      }
    },
  }
}
