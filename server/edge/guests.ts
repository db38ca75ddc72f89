import type { Socket } from 'socket.io'
import type { ByeEvent } from '../protocol.ts'
import type { Identity } from '../session/identity.ts'
import { createTenure, type Tenure } from './tenure.ts'

/**
 * Connections to an application's own namespaces: their time is over as in `/`, when their token
 * expires, when it or their user is revoked, and when their user is disconnected.
 */
export interface Guests extends Pick<Tenure<Guest>, 'revoked' | 'disconnected' | 'stop'> {
  admit(socket: Socket, identity: Identity): void
}

interface Guest {
  readonly socket: Socket
  readonly identity: Identity
}

/** @param isTooLate revoked between its handshake and now */
export function createGuests(
  isTooLate: (identity: Identity) => boolean,
  clockSkewMs: number,
): Guests {
  const guests = new Set<Guest>()
  const tenure = createTenure<Guest>({ all: () => guests, expel, clockSkewMs })

  /** Plain clients come back from a closed transport, and stay away after a server disconnect. */
  function expel({ socket }: Guest, { reconnect }: ByeEvent): void {
    if (reconnect) socket.conn.close()
    else socket.disconnect(true)
  }

  return {
    ...tenure,
    admit(socket, identity) {
      const guest = { socket, identity }
      guests.add(guest)
      tenure.holds(guest)
      socket.once('disconnect', () => {
        guests.delete(guest)
        tenure.ended(guest)
      })
      if (isTooLate(identity)) socket.disconnect(true)
    },
  }
}
