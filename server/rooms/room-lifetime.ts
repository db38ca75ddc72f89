/**
 * When a room is here: it opens for whoever holds it, and lingers a little after the last one, so that
 * somebody who comes back finds it as it was.
 */
export interface RoomLifetime {
  readonly phase: Phase['name']
  /** Live or lingering: subscribed, and at a known place. */
  readonly isOpen: boolean
  /** Keeps the room here until the returned function is called (once). */
  hold(): () => void
  /** Resolves when it is open; concurrent calls share the work. Rejects as `deps.begin` does. */
  open(): Promise<void>
  /** Stops timers; the subscription is left to the broker's end. */
  stop(): void
}

type Phase =
  | { name: 'absent' }
  | { name: 'opening'; done: Promise<void> }
  | { name: 'live' }
  | { name: 'lingering'; timer: NodeJS.Timeout }
  | { name: 'closing'; done: Promise<void> }

/** Rooms that linger; beyond a number of them no more do, so that names cost no memory (D8). */
export interface Lingering {
  count: number
  readonly max: number
}

export interface RoomLifetimeDeps {
  /** How long it outlives the last one who held it. */
  lingerMs: number
  /** Of all rooms of this instance. */
  lingering: Lingering
  /** Subscribes and finds the place. */
  begin(): Promise<void>
  /** It is live now. */
  begun(): void
  /** Unsubscribes. */
  end(): Promise<void>
  /** It is absent again, be it that it could not open. */
  ended(): void
  /** It is absent, and nobody holds it. */
  unused(): void
}

export function createRoomLifetime(deps: RoomLifetimeDeps): RoomLifetime {
  let phase: Phase = { name: 'absent' }
  let holders = 0

  const isOpen = () => phase.name === 'live' || phase.name === 'lingering'

  async function open(): Promise<void> {
    try {
      await deps.begin()
    } catch (error) {
      await deps.end().catch(() => undefined) // what began is not confirmed, or not needed
      absent()
      throw error
    }
    phase = { name: 'live' }
    deps.begun()
    if (holders === 0) linger()
  }

  function linger(): void {
    if (deps.lingering.count >= deps.lingering.max) {
      close()
      return
    }
    deps.lingering.count += 1
    const timer = setTimeout(close, deps.lingerMs)
    timer.unref()
    phase = { name: 'lingering', timer }
  }

  function close(): void {
    stopLingering()
    // A failure means that the connection is gone, and the subscription with it.
    phase = { name: 'closing', done: deps.end().then(absent, absent) }
  }

  function stopLingering(): void {
    if (phase.name !== 'lingering') return
    clearTimeout(phase.timer)
    deps.lingering.count -= 1
  }

  function absent(): void {
    phase = { name: 'absent' }
    deps.ended()
    if (holders === 0) deps.unused()
  }

  function release(): void {
    holders -= 1
    if (holders > 0) return
    // Opening and closing look at the holders themselves when they end.
    if (phase.name === 'live') linger()
    else if (phase.name === 'absent') deps.unused()
  }

  return {
    get phase() {
      return phase.name
    },
    get isOpen() {
      return isOpen()
    },
    hold() {
      holders += 1
      if (phase.name === 'lingering') {
        stopLingering()
        phase = { name: 'live' }
      }
      return release
    },
    async open() {
      if (phase.name === 'closing') await phase.done
      if (isOpen()) return
      if (phase.name !== 'opening') phase = { name: 'opening', done: open() }
      await phase.done
    },
    stop: stopLingering,
  }
}
