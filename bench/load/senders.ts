import { setTimeout as sleep } from 'node:timers/promises'
import { createHistogram } from '../histogram.ts'
import type { LoadApi, SenderGroup, Sent } from './api.ts'
import { micros } from './clock.ts'
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
  pending: Map<number, { room: string; at: number }>
  closed: boolean
  /** Told of every answer, while somebody wants to know. */
  answered: (() => void) | undefined
}

/** How long answers may stay out after the last send. */
const ANSWER_TIMEOUT_MS = 10_000
/** Unanswered sends of one connection while filling rooms. */
const FILL_IN_FLIGHT = 50

/** Those who send. Nothing is sent twice: what is refused is counted. */
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
    from.answered?.()
  }

  function open(wire: Parameters<typeof openSender>[0], group: SenderGroup): Promise<Sending>[] {
    return Array.from({ length: group.count }, () => {
      const index = groups.flat().length
      return new Promise<Sending>((resolve, reject) => {
        const sending: Sending = {
          index,
          rooms: group.rooms,
          nextRoom: 0,
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

  function send(from: Sending, room: string): void {
    report.sent += 1
    window.sent += 1
    if (from.closed) {
      countIn(window.refused, 'closed')
      return
    }
    const number = (from.numbers.get(room) ?? 0) + 1
    from.numbers.set(room, number)
    from.sent += 1
    const at = micros()
    from.pending.set(from.sent, { room, at })
    from.sender.send(
      from.sent,
      room,
      markedBody({ sentAt: at, sender: from.index, number }, bodyChars),
    )
  }

  function sendNext(from: Sending): void {
    const room = from.rooms[from.nextRoom % from.rooms.length] ?? ''
    from.nextRoom += 1
    send(from, room)
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
        all.map(async (from, index) => {
          const own = rooms.filter((_, place) => place % all.length === index)
          const order = Array.from({ length: times }, () => own).flat()
          await new Promise<void>((resolve) => {
            let next = 0
            from.answered = () => {
              while (next < order.length && from.pending.size < FILL_IN_FLIGHT && !from.closed) {
                next += 1
                send(from, order[next - 1] ?? '')
              }
              if (next === order.length || from.closed) resolve()
            }
            from.answered()
          })
          from.answered = undefined
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
