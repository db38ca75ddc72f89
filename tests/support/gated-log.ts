import { GatewayError } from '../../server/errors.ts'
import type { LogListener, MessageLog } from '../../server/rooms/message-log.ts'
import { failedVerify } from './failed-verify.ts'

type Operation = Exclude<keyof MessageLog, 'listen'>

/** A reply that is on its way: what was asked for has been done. */
export interface HeldReply {
  /** Resolves when the operation was done and its reply waits. */
  readonly done: Promise<void>
  /** Lets the reply arrive. */
  release(): void
}

/** A real log whose replies the test holds back or loses, and whose frames it may swallow. */
export interface GatedLog extends MessageLog {
  /** Holds the reply of the next such operation. */
  hold(operation: Operation): HeldReply
  /** Fails the next such operations, before anything is done. */
  fail(operation: Operation, times?: number): void
  /** How often the operation was asked for. */
  calls(operation: Operation): number
  /** While true no frame arrives. */
  deaf: boolean
  /** Keeps frames back until `lateFrames` lets them arrive. */
  late: boolean
  lateFrames(): void
}

export function createGatedLog(inner: MessageLog): GatedLog {
  const held = new Map<Operation, (() => Promise<void>)[]>()
  const failing = new Map<Operation, number>()
  const called = new Map<Operation, number>()
  let kept: (() => void)[] = []

  async function call<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    called.set(operation, (called.get(operation) ?? 0) + 1)
    const failures = failing.get(operation) ?? 0
    if (failures > 0) {
      failing.set(operation, failures - 1)
      throw new GatewayError('UNAVAILABLE', `${operation} fails`)
    }
    const gate = held.get(operation)?.shift()
    const result = await work()
    await gate?.()
    return result
  }

  function arrive(frame: () => void): void {
    if (log.deaf) return
    if (log.late) kept.push(frame)
    else frame()
  }

  const log: GatedLog = {
    append: (message) => call('append', () => inner.append(message)),
    read: (room, query) => call('read', () => inner.read(room, query)),
    verify: (positions) =>
      call('verify', () => inner.verify(positions)).catch(failedVerify(positions)),
    renew: (room, epoch) => call('renew', () => inner.renew(room, epoch)),
    label: (room, message) => call('label', () => inner.label(room, message)),
    labels: (room, from, to) => call('labels', () => inner.labels(room, from, to)),
    purge: (room) => inner.purge(room),
    subscribe: (room) => call('subscribe', () => inner.subscribe(room)),
    unsubscribe: (room) => call('unsubscribe', () => inner.unsubscribe(room)),
    listen: (listener: LogListener) =>
      inner.listen({
        stored: (room, epoch, entry) => arrive(() => listener.stored(room, epoch, entry)),
        labelled: (room, epoch, labelled) => arrive(() => listener.labelled(room, epoch, labelled)),
        renewed: (room, tail) => arrive(() => listener.renewed(room, tail)),
        restored: () => listener.restored(),
      }),
    hold(operation) {
      let reached: () => void = () => undefined
      let release: () => void = () => undefined
      const done = new Promise<void>((resolve) => {
        reached = resolve
      })
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const gates = held.get(operation) ?? []
      held.set(operation, gates)
      gates.push(() => {
        reached()
        return released
      })
      return { done, release }
    },
    fail: (operation, times = 1) => void failing.set(operation, times),
    calls: (operation) => called.get(operation) ?? 0,
    deaf: false,
    late: false,
    lateFrames() {
      const frames = kept
      kept = []
      for (const frame of frames) frame()
    },
  }
  return log
}
