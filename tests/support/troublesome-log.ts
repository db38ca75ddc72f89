import { GatewayError } from '../../server/errors.ts'
import type { LogListener, MessageLog } from '../../server/rooms/message-log.ts'
import type { Random } from '../chaos/random.ts'
import { failedVerify } from './failed-verify.ts'

/** How often things go wrong: probabilities, and the longest delay of a request, reply or frame. */
export interface Trouble {
  /** An operation is refused before it is done. */
  refused: number
  /** An operation is done, but its reply is lost. */
  unanswered: number
  /** A frame is lost. */
  lost: number
  /** A frame comes twice. */
  repeated: number
  /** A frame may be overtaken by others. */
  overtaken: number
  delayMs: number
}

/** A real message log behind a bad line: what it does is what the store does, if it gets there. */
export interface TroublesomeLog extends MessageLog {
  /** Nothing gets through any more, in either direction; what is under way is lost. */
  interrupt(): void
  /** The line holds again, and the listener hears of it. */
  restore(): void
  /** No trouble from now on, but for delays. */
  calm(): void
}

/** Draws every decision from `random`, so that with a stopped clock a seed is a schedule. */
export function createTroublesomeLog(
  inner: MessageLog,
  random: Random,
  trouble: Trouble,
): TroublesomeLog {
  let listener: LogListener | undefined
  let interrupted = false
  /** Frames and replies of a line that was interrupted belong to the line before. */
  let line = 0
  let calm = false
  /** When the last frame arrives, so that frames do not overtake each other. */
  let latest = 0

  const chance = (probability: number) => random.next() < probability && !calm
  const delay = () => random.int(0, trouble.delayMs)
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const unavailable = () => new GatewayError('UNAVAILABLE', 'refused')

  async function call<T>(mayChange: boolean, work: () => Promise<T>): Promise<T> {
    const unknown = () =>
      mayChange ? new GatewayError('OUTCOME_UNKNOWN', 'no reply') : unavailable()
    const own = line
    if (interrupted || chance(trouble.refused)) throw unavailable()
    await pause(delay())
    if (line !== own) throw unknown()
    const result = await work()
    await pause(delay())
    if (line !== own || chance(trouble.unanswered)) throw unknown()
    return result
  }

  /** Hands a frame to the listener after a delay, if at all. */
  function arrive(frame: () => void): void {
    if (interrupted || chance(trouble.lost)) return
    const own = line
    const now = performance.now()
    let at = now + delay()
    if (!chance(trouble.overtaken)) {
      at = Math.max(at, latest)
      latest = at
    }
    const deliver = () => {
      if (line === own) frame()
    }
    if (at > now) setTimeout(deliver, at - now)
    else deliver() // in the middle of whatever is being done
    if (chance(trouble.repeated)) arrive(frame)
  }

  return {
    append: (message) => call(true, () => inner.append(message)),
    read: (room, query) => call(false, () => inner.read(room, query)),
    verify: (positions) =>
      call(false, () => inner.verify(positions)).catch(failedVerify(positions)),
    renew: (room, epoch) => call(true, () => inner.renew(room, epoch)),
    label: (room, message) => call(true, () => inner.label(room, message)),
    labels: (room, from, to) => call(false, () => inner.labels(room, from, to)),
    purge: (room) => call(true, () => inner.purge(room)),
    async subscribe(room) {
      // Without a line it is noted for the next one, as the Redis link does.
      if (interrupted) return inner.subscribe(room)
      await call(false, () => inner.subscribe(room))
    },
    async unsubscribe(room) {
      if (interrupted) return inner.unsubscribe(room)
      await call(false, () => inner.unsubscribe(room))
    },
    listen(own) {
      listener = own
      inner.listen({
        stored: (room, epoch, entry) => arrive(() => listener?.stored(room, epoch, entry)),
        labelled: (room, epoch, labelled) =>
          arrive(() => listener?.labelled(room, epoch, labelled)),
        renewed: (room, tail) => arrive(() => listener?.renewed(room, tail)),
        restored: () => undefined,
      })
    },
    interrupt() {
      interrupted = true
      line += 1
    },
    restore() {
      interrupted = false
      listener?.restored()
    },
    calm() {
      calm = true
    },
  }
}
