import { createHistogram } from '../histogram.ts'
import type { Audit, LoadApi, Opened, OpenMembers, WireKind } from './api.ts'
import { type Client, openClient } from './client.ts'
import { micros } from './clock.ts'
import { inParallel } from './in-parallel.ts'
import { readMarker } from './marker.ts'
import { createReadingWheel, type ReadingWheel } from './reading-wheel.ts'
import { countIn, type Tally } from './tally.ts'
import { openWire, type Target } from './wire.ts'

interface Member {
  rooms: readonly string[]
  received: number
  /** Last number by sender; only of members that sample. */
  heard: Map<number, number> | undefined
  lastOffset: number
  destroy(): void
}

type Receive = (buffer: Buffer, start: number, end: number, now: number) => void

const JOIN_TIMEOUT_MS = 60_000
/** Joins of one connection under way at once. */
const JOINS_AT_ONCE = 100
/** What follows the body in `42["room:message",{…,"body":"…"}]`, the body's quote included. */
const AFTER_BODY: Record<WireKind, number> = { 'socket.io': 3, nchan: 0 }

/** Those who receive. They count everything, and some read everything. */
export function createMembers(): Pick<
  LoadApi,
  'openMembers' | 'closeMembers' | 'received' | 'reached' | 'audit'
> {
  const members = new Set<Member>()
  const closed: Tally = {}
  let deliveries = 0
  let taken = 0
  let latency = createHistogram()
  let disordered = 0
  let offsetBreaks = 0
  let closing = false
  let serial = 0
  let awaited: { deliveries: number; arrived(at: number): void } | undefined

  function receiver(member: Member, { wire, bodyChars }: OpenMembers): Receive {
    const fromEnd = AFTER_BODY[wire] + bodyChars
    return (buffer, start, end, now) => {
      member.received += 1
      deliveries += 1
      if (awaited !== undefined && deliveries >= awaited.deliveries) awaited.arrived(now)
      if (member.heard === undefined) return
      const marker = readMarker(buffer, end - fromEnd)
      if (marker === undefined) throw new Error(`no marker: ${buffer.toString('utf8', start, end)}`)
      latency.record(now - marker.sentAt)
      if (marker.number <= (member.heard.get(marker.sender) ?? 0)) disordered += 1
      member.heard.set(marker.sender, marker.number)
      readOffset(member, buffer.subarray(start, end))
    }
  }

  /** Room offsets have no holes (D3); rivals' messages have no offsets. */
  function readOffset(member: Member, packet: Buffer): void {
    const at = packet.indexOf('"offset":')
    if (at < 0) return
    const offset = Number.parseInt(packet.toString('latin1', at + 9, at + 25), 10)
    if (member.lastOffset > 0 && offset !== member.lastOffset + 1) offsetBreaks += 1
    member.lastOffset = offset
  }

  /** Resolves once the member is in all its rooms. */
  function open(request: OpenMembers, index: number, wheel?: ReadingWheel): Promise<void> {
    const { targets, rooms, roomsEach, sampleEvery } = request
    const first = index * roomsEach
    const row = roomsEach === 0 ? index : Math.floor(first / rooms.length)
    const target = targets[row % targets.length] as Target
    const member: Member = {
      rooms: Array.from({ length: roomsEach }, (_, k) => rooms[(first + k) % rooms.length] ?? ''),
      received: 0,
      heard: sampleEvery > 0 && index % sampleEvery === 0 ? new Map() : undefined,
      lastOffset: 0,
      destroy: () => undefined,
    }
    const receive = receiver(member, request)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail('too late'), JOIN_TIMEOUT_MS)
      function joined(): void {
        clearTimeout(timer)
        if (wheel !== undefined && member.heard === undefined) readBy(wheel)
        resolve()
      }
      function fail(reason: string): void {
        clearTimeout(timer)
        member.destroy()
        members.delete(member)
        reject(new Error(reason))
      }
      function ended(reason: string): void {
        if (!closing && members.has(member)) countIn(closed, reason)
        fail(reason)
      }
      serial += 1
      const session = { session: `member-${process.pid}-${serial}` }
      const { destroy, readBy } =
        request.wire === 'nchan'
          ? openWire(target, `/sub/${member.rooms[0]}`, {
              opened: joined,
              text: receive,
              closed: ended,
            })
          : openSocketIo(target, session, member.rooms, { receive, joined, ended })
      member.destroy = destroy
      members.add(member)
    })
  }

  return {
    async openMembers(request) {
      const took = createHistogram()
      const failed: Tally = {}
      const { readEveryMs = 0 } = request
      const wheel = readEveryMs > 0 ? createReadingWheel(readEveryMs) : undefined
      let opened = 0
      await inParallel(request.count, request.concurrency, async (index) => {
        const started = micros()
        try {
          await open(request, index, wheel)
          opened += 1
          took.record(micros() - started)
        } catch (error) {
          countIn(failed, (error as Error).message)
        }
      })
      return { opened, failed, took: took.counts() } satisfies Opened
    },
    async closeMembers() {
      closing = true
      for (const { destroy } of members) destroy()
      members.clear()
      // Their sockets close in the next turns of the event loop.
      await new Promise((resolve) => setTimeout(resolve, 100))
      closing = false
    },
    async received() {
      const since = { deliveries: deliveries - taken, latency: latency.counts() }
      taken = deliveries
      latency = createHistogram()
      return since
    },
    reached(wanted, timeoutMs) {
      if (deliveries >= wanted) return Promise.resolve(micros())
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(undefined), timeoutMs)
        function settle(at: number | undefined): void {
          clearTimeout(timer)
          awaited = undefined
          resolve(at)
        }
        awaited = { deliveries: wanted, arrived: settle }
      })
    },
    async audit(accepted, uncertain) {
      const total = (tally: Tally, rooms: readonly string[]) =>
        rooms.reduce((sum, room) => sum + (tally[room] ?? 0), 0)
      let lost = 0
      let repeated = 0
      for (const { rooms, received } of members) {
        const least = total(accepted, rooms)
        lost += Math.max(0, least - received)
        repeated += Math.max(0, received - least - total(uncertain, rooms))
      }
      return { deliveries, lost, repeated, disordered, offsetBreaks, closed } satisfies Audit
    },
  }
}

/** Connects and joins. */
function openSocketIo(
  target: Target,
  auth: object,
  rooms: readonly string[],
  on: { receive: Receive; joined(): void; ended(reason: string): void },
): Client {
  let asked = 0
  let answered = 0
  function askNext(): void {
    while (asked < rooms.length && asked - answered < JOINS_AT_ONCE) {
      asked += 1
      client.request(asked, 'room:join', JSON.stringify({ room: rooms[asked - 1] }))
    }
  }
  const client = openClient(target, auth, {
    connected() {
      if (rooms.length === 0) on.joined()
      askNext()
    },
    message: on.receive,
    reply(_id, buffer, start, end) {
      if (buffer[start + 7] !== 0x74) on.ended(buffer.toString('utf8', start, end)) // ok: not true
      answered += 1
      if (answered === rooms.length) on.joined()
      else askNext()
    },
    closed: on.ended,
  })
  return client
}
