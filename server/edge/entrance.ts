import type { Socket } from 'socket.io'
import { GatewayError, toWireError } from '../errors.ts'
import type { Events } from '../observability/events.ts'
import type { Identity } from '../session/identity.ts'
import type { Places } from '../session/places.ts'
import type { RateLimits } from '../session/rates.ts'

/** Lets somebody in who is known and has room; says who it is. */
export type Entrance = (socket: Socket) => Identity | Promise<Identity>

export interface EntranceDeps {
  /** Tells who connects. */
  identify: Entrance
  /** Undefined: a user may have any number of connections. */
  places: Places | undefined
  rates: Pick<RateLimits, 'admit' | 'spend'> | undefined
}

/** @returns what throws, or rejects with, a GatewayError for whoever stays outside */
export function createEntrance(deps: EntranceDeps): Entrance {
  const { identify, places, rates } = deps
  if (places === undefined && rates === undefined) return identify

  return async (socket) => {
    const identity = await identify(socket)
    const user = identity.sender
    await rates?.admit(user)
    await rates?.spend({ user }, 'CONNECTS')
    if (places === undefined) return identity
    // Whatever ends it, also before it has been let in by everybody else.
    const give = () => places.give(user, socket.id)
    socket.conn.once('close', give)
    socket.once('disconnect', give)
    try {
      await places.take(user, socket.id)
    } catch (error) {
      socket.conn.off('close', give)
      throw error
    }
    if (socket.conn.readyState === 'open') return identity
    give()
    throw new GatewayError('UNAVAILABLE', 'the connection has ended')
  }
}

type Next = (error?: Error) => void

/** The middleware of a namespace: who is let in has an identity, who is not hears why. */
export function admitting(
  entrance: Entrance,
  events: Events,
): (socket: Socket, next: Next) => void {
  return (socket, next) => {
    function refuse(error: unknown): void {
      const wire = toWireError(error)
      const cause = error instanceof GatewayError ? error.cause : error
      events.refused({ connection: socket.id, user: '' }, 'connect', wire.code, cause)
      next(Object.assign(new Error(wire.message), { data: wire }))
    }
    function admit(identity: Identity): void {
      socket.data.identity = identity
      next()
    }
    try {
      const identity = entrance(socket)
      if (identity instanceof Promise) identity.then(admit, refuse)
      else admit(identity)
    } catch (error) {
      refuse(error)
    }
  }
}
