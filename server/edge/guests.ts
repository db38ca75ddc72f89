import type { Socket } from 'socket.io'
import type { ByeEvent } from '../protocol.ts'
import type { Identity } from '../session/identity.ts'
import { stopReading, terminateLater } from './engine.ts'
import { createTenure, type Tenure } from './tenure.ts'

/**
 * Connections to an application's own namespaces: their time is over as in `/`, when their token
 * expires, when it or their user is revoked, and when their user is disconnected.
 */
export interface Guests extends Pick<Tenure<Guest>, 'revoked' | 'disconnected' | 'stop'> {
  admit(socket: Socket, identity: Identity): void
  /** Says good-bye in all of a connection's namespaces and ends it. */
  sendAway(conn: Socket['conn'], bye: ByeEvent): void
}

interface Guest {
  readonly socket: Socket
  readonly identity: Identity
}

export interface GuestsDeps {
  /** Revoked between its handshake and now. */
  isTooLate(identity: Identity): boolean
  began(socket: Socket, identity: Identity): void
  clockSkewMs: number
}

export function createGuests({ isTooLate, began, clockSkewMs }: GuestsDeps): Guests {
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
      began(socket, identity)
      socket.once('disconnect', () => {
        guests.delete(guest)
        tenure.ended(guest)
      })
      if (isTooLate(identity)) socket.disconnect(true)
    },
    sendAway(conn, bye) {
      for (const { socket } of guests) if (socket.conn === conn) socket.emit('gateway:bye', bye)
      conn.close()
      stopReading(conn)
      terminateLater(conn)
    },
  }
}
