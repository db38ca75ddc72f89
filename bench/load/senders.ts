import { setTimeout as sleep } from 'node:timers/promises'
import { createHistogram } from '../histogram.ts'
import type { LoadApi, SenderGroup, Sent } from './api.ts'
import { micros } from './clock.ts'
import { inParallel } from './in-parallel.ts'
import { markedBody } from './marker.ts'
import { due, dueAt, phaseMs } from './pace.ts'
import { openSender, type Sender } from './sender.ts'
import { countIn, type Tally } from './tally.ts'

interface Sending {
  index: number
  rooms: readonly string[]
  nextRoom: number
  sender: Sender
  sent: number
  /** Numbers by room. */
  numbers: Map<string, number>
  pending: Map<number, Pending>
  closed: boolean
  /** Told of every answer, while somebody wants to know. */
  answered: (() => void) | undefined
}

interface Pending {
  room: string
  at: number
  settled: ((code: string | undefined) => void) | undefined
}

/** How long answers may stay out after the last send. */
const ANSWER_TIMEOUT_MS = 10_000
/** Rooms that one connection fills at once, and what it waits before it repeats what was refused. */
const FILL_IN_PARALLEL = 50
const REPEAT_MS = 200

/** Those who send. Under load nothing is sent twice: what is refused is counted. */
export function createSenders(): Pick<
  LoadApi,
  'openSenders' | 'sendPaced' | 'sendPressed' | 'sendEach' | 'sendWindow'
> {
  const groups: Sending[][] = []
  let bodyChars = 0
  let report: Sent = { sent: 0, accepted: {}, uncertain: {} }
  let window = newWindow()

  function newWindow() {
    const refused: Tally = {}
    return { sent: 0, accepted: 0, refused, ack: createHistogram(), lag: createHistogram() }
  }

  function settle(from: Sending, number: number, code: string | undefined, now: number): void {
    const pending = from.pending.get(number)
    if (pending === undefined) return
    from.pending.delete(number)
    if (code === undefined) {
      countIn(report.accepted, pending.room)
      window.accepted += 1
      window.ack.record(now - pending.at)
    } else {
      countIn(window.refused, code)
      if (code === 'OUTCOME_UNKNOWN' || code === 'closed') countIn(report.uncertain, pending.room)
    }
    pending.settled?.(code)
    from.answered?.()
  }

  function open(wire: Parameters<typeof openSender>[0], group: SenderGroup): Promise<Sending>[] {
    return Array.from({ length: group.count }, (_, place) => {
      const index = groups.flat().length
      return new Promise<Sending>((resolve, reject) => {
        const sending: Sending = {
          index,
          rooms: group.rooms,
          // Apart from each other: otherwise they go through the rooms side by side.
          nextRoom: Math.floor((place * group.rooms.length) / group.count),
          sender: openSender(wire, group.target, `sender-${process.pid}-${index}`, {
            ready: () => resolve(sending),
            answered: (number, code, now) => settle(sending, number, code, now),
            closed(reason) {
              sending.closed = true
              for (const number of [...sending.pending.keys()]) {
                settle(sending, number, 'closed', micros())
              }
              reject(new Error(`a sender could not connect: ${reason}`))
            },
          }),
          sent: 0,
          numbers: new Map(),
          pending: new Map(),
          closed: false,
          answered: undefined,
        }
        groups.at(-1)?.push(sending)
      })
    })
  }

  function nextNumber(from: Sending, room: string): number {
    const number = (from.numbers.get(room) ?? 0) + 1
    from.numbers.set(room, number)
    return number
  }

  /** @param number of the message in its room; the same one again is a repeat of the same message */
  function send(from: Sending, room: string, number: number, settled?: Pending['settled']): void {
    report.sent += 1
    window.sent += 1
    if (from.closed) {
      countIn(window.refused, 'closed')
      settled?.('closed')
      return
    }
    from.sent += 1
    const at = micros()
    from.pending.set(from.sent, { room, at, settled })
    const body = markedBody({ sentAt: at, sender: from.index, number }, bodyChars)
    from.sender.send(from.sent, room, `${process.pid}-${from.index}-${number}`, body)
  }

  /** Sends one message until it is accepted. */
  async function insist(from: Sending, room: string): Promise<void> {
    const number = nextNumber(from, room)
    for (;;) {
      const code = await new Promise<string | undefined>((settled) => {
        send(from, room, number, settled)
      })
      if (code === undefined || from.closed) return
      await sleep(REPEAT_MS)
    }
  }

  function sendNext(from: Sending): void {
    const room = from.rooms[from.nextRoom % from.rooms.length] ?? ''
    from.nextRoom += 1
    send(from, room, nextNumber(from, room))
  }

  /** Waits for answers, then closes the books: what is still out is uncertain. */
  async function finish(): Promise<Sent> {
    const all = groups.flat()
    const deadline = micros() + ANSWER_TIMEOUT_MS * 1000
    while (all.some(({ pending }) => pending.size > 0) && micros() < deadline) await sleep(10)
    for (const { pending } of all) {
      for (const { room } of pending.values()) countIn(report.uncertain, room)
    }
    const done = report
    report = { sent: 0, accepted: {}, uncertain: {} }
    return done
  }

  return {
    async openSenders(request) {
      bodyChars = request.bodyChars
      for (const group of request.groups) {
        groups.push([])
        await Promise.all(open(request.wire, group))
      }
    },
    async sendPaced(paces, ms) {
      const started = micros()
      const sent = groups.map(() => 0)
      for (let elapsed = 0; elapsed < ms; elapsed = (micros() - started) / 1000) {
        for (const [index, group] of groups.entries()) {
          const pace = paces[index]
          if (pace === undefined || pace.rate === 0) continue
          const own = elapsed - phaseMs(pace, index / groups.length)
          const wanted = due(pace, own)
          for (let number = sent[index] ?? 0; number < wanted; number += 1) {
            window.lag.record((own - dueAt(pace, number)) * 1000)
            sendNext(group[number % group.length] as Sending)
          }
          sent[index] = wanted
        }
        await sleep(1)
      }
      return finish()
    },
    async sendPressed(inFlight, ms) {
      const all = groups.flat()
      for (const from of all) {
        from.answered = () => !from.closed && sendNext(from)
        for (let count = 0; count < inFlight; count += 1) sendNext(from)
      }
      await sleep(ms)
      for (const from of all) from.answered = undefined
      return finish()
    },
    async sendEach(rooms, times) {
      const all = groups.flat()
      await Promise.all(
        all.map((from, index) => {
          const own = rooms.filter((_, place) => place % all.length === index)
          // One after the other in a room, so that its order is known.
          return inParallel(own.length, FILL_IN_PARALLEL, async (place) => {
            for (let count = 0; count < times; count += 1) await insist(from, own[place] ?? '')
          })
        }),
      )
      return finish()
    },
    async sendWindow() {
      const { ack, lag, ...counts } = window
      window = newWindow()
      return { ...counts, ack: ack.counts(), lag: lag.counts() }
    },
  }
}
