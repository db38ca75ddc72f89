import type { Socket } from 'socket.io'
import { keepByKey } from '../keep-by-key.ts'
import type { Tracing } from '../observability/tracing.ts'
import type { Member, Outlet } from '../rooms/local-room.ts'
import type { Entry, Labelled } from '../rooms/message-log.ts'
import type { Attendant } from '../rooms/roster.ts'
import { waitingPackets } from './engine.ts'
import type { Gathering } from './gathering.ts'
import type { Line } from './line.ts'
import { createPace, type Pace } from './pace.ts'
import { textFrame } from './web-socket-frame.ts'
import { wirePosition } from './wire.ts'

/** A connection as a member of rooms. */
export interface SocketMember extends Attendant {
  readonly socket: Socket
  /** What takes complete WebSocket frames, where its transport does. */
  line: Line | undefined
  /** Bytes of room messages written since it last took all there was; 0 while it keeps up. */
  backlog: number
  /** Since when it has not kept up, ms of `performance.now()`. */
  behindSince: number
}

/** What a connection may fall behind before it is sent away to resume from the log (D8). */
export interface SlowLimits {
  maxBacklogBytes: number
  maxBehindMs: number
}

export interface OutletDeps {
  delivered(count: number): void
  /** A member exceeded its limits; it is to be disconnected. */
  tooSlow(member: SocketMember): void
  limits: SlowLimits
  gathering: Gathering
  /** Default: a pace of its own. */
  pace?: Pace
}

/** What has come for one room and is not written yet: one buffer for all its WebSockets. */
interface Batch {
  members: ReadonlySet<Member>
  /** `NOTHING`: nothing has come, and the batch is nobody's. */
  packets: string[]
  /** How many of them are messages; the others are labels. */
  messages: number
  /** UTF-16 code units of all packets. */
  length: number
}

const NOBODY: ReadonlySet<Member> = new Set()
/**
 * Never filled: a list of its own, which waits in the batch for the next message and is old by then, would
 * keep that message from the collector of the young generation (tests/unit/outlet-garbage.test.ts).
 */
const NOTHING: string[] = []
/**
 * UTF-16 code units for which no member of a room waits any longer: what a write itself costs is little
 * beside so much, and a socket may not take more at once.
 */
const FULL = 65_536
/** Acknowledgements do not wait until so many members are written to; a member's own is one more write. */
const MANY = 64
/** Of the time that a client may be behind: cut off so much earlier at most. */
const EARLIEST_SHARE = 0.5

interface PreEncoded {
  /** As engine.io takes it: the buffers of complete WebSocket frames. */
  wsPreEncodedFrame: Buffer[]
  compress: boolean
}

/**
 * Writes rooms' messages to connections. The messages of a room that arrive in one turn of the event
 * loop leave at its end as one buffer, made once and written once to each socket; under load those of
 * a few turns do (pace.ts). A write is most of what a delivery costs (docs/PERFORMANCE.md).
 */
export function createOutlet(deps: OutletDeps): Outlet {
  const { delivered, tooSlow, limits, gathering, pace = createPace() } = deps
  const batches = keepByKey<Batch>(
    () => ({ members: NOBODY, packets: NOTHING, messages: 0, length: 0 }),
    ({ packets }) => packets === NOTHING,
  )
  /** What has come for these; some may have been flushed since, and be here twice. */
  const due: Batch[] = []
  /** When what is due leaves: at the end of the turn, or a little later. */
  let scheduled: 'now' | NodeJS.Timeout | undefined

  function schedule(atOnce: boolean): void {
    if (scheduled === 'now' || (scheduled !== undefined && !atOnce)) return
    clearTimeout(scheduled)
    const holdMs = atOnce ? 0 : pace.holdMs()
    if (holdMs < 1) {
      scheduled = 'now'
      gathering.beforeEnd(flushAll)
    } else {
      scheduled = setTimeout(flushAll, holdMs)
    }
  }

  function flushAll(): void {
    scheduled = undefined
    const begin = performance.now()
    let writes = 0
    let deliveries = 0
    // One by one: where one room cannot be written, the others still are, the next time.
    for (let batch = due.shift(); batch !== undefined; batch = due.shift()) {
      const { members, packets } = batch
      writes += members.size
      deliveries += members.size * packets.length
      write(batch)
    }
    pace.flushed(begin, performance.now(), writes, deliveries)
  }

  function flush(room: string): void {
    const batch = batches.find(room)
    if (batch !== undefined) write(batch)
  }

  function write(batch: Batch): void {
    const { members, packets, messages, length } = batch
    if (packets === NOTHING) return
    batch.members = NOBODY
    batch.packets = NOTHING
    batch.messages = 0
    batch.length = 0
    if (members.size > MANY) gathering.release()
    let frames: Buffer | undefined
    let together: PreEncoded | undefined
    let apart: PreEncoded[] | undefined
    let slow: SocketMember[] | undefined
    for (const member of members as ReadonlySet<SocketMember>) {
      const { line } = member
      if (line !== undefined) {
        frames ??= Buffer.concat(packets.map(textFrame))
        if (gathering.writeNow(line, frames)) {
          member.backlog = 0
          continue
        }
      }
      const { conn } = member.socket
      if (!keepsUp(member, length)) {
        slow ??= []
        slow.push(member)
      }
      if (frames !== undefined && line !== undefined) {
        // One packet stands for all frames of the buffer.
        together ??= preEncoded(frames)
        conn.write(packets[0] ?? '', together)
      } else {
        apart ??= packets.map((packet) => preEncoded(textFrame(packet)))
        for (const [index, packet] of packets.entries()) conn.write(packet, apart[index])
      }
    }
    delivered(members.size * messages)
    for (const member of slow ?? []) tooSlow(member)
  }

  function add(room: string, members: ReadonlySet<Member>, packet: string): Batch {
    const batch = batches.of(room)
    if (batch.packets === NOTHING) {
      batch.members = members
      batch.packets = [packet]
      due.push(batch)
    } else batch.packets.push(packet)
    batch.length += packet.length
    schedule(batch.length >= FULL)
    return batch
  }

  /** Counts what piles up behind a connection. */
  function keepsUp(member: SocketMember, bytes: number): boolean {
    if (waitingPackets(member.socket.conn).length === 0) {
      member.backlog = 0
      return true
    }
    if (member.backlog === 0) {
      // Those who stopped reading together are not cut off, and do not come back, in the same moment.
      const sooner = Math.random() * limits.maxBehindMs * EARLIEST_SHARE
      member.behindSince = performance.now() - sooner
    }
    member.backlog += bytes
    if (member.backlog > limits.maxBacklogBytes) return false
    return performance.now() - member.behindSince < limits.maxBehindMs
  }

  return {
    flush,
    message(room, members, epoch, entry) {
      add(room, members, messagePacket(room, epoch, entry)).messages += 1
    },
    labels(room, members, epoch, labelled) {
      add(room, members, labelsPacket(room, epoch, labelled))
    },
    reset(room, members, position) {
      flush(room)
      const event = { room, position: wirePosition(position) }
      for (const member of members) (member as SocketMember).socket.emit('room:reset', event)
    },
  }
}

/** The same outlet, with a span for each message that carries a trace. */
export function traced(outlet: Outlet, tracing: Tracing): Outlet {
  return {
    ...outlet,
    message(room, members, epoch, entry) {
      outlet.message(room, members, epoch, entry)
      tracing.delivered(room, entry.content, entry.offset, members.size)
    },
  }
}

/** `content` is JSON text already and goes in as it is: nothing is parsed on the way out. */
function messagePacket(room: string, epoch: string, { offset, at, content }: Entry): string {
  const place = `"room":${JSON.stringify(room)},"epoch":"${epoch}","offset":${offset},"at":${at}`
  return `2["room:message",{${place},${content.slice(1)}]`
}

function labelsPacket(room: string, epoch: string, { offset, labels }: Labelled): string {
  const place = `"room":${JSON.stringify(room)},"epoch":"${epoch}","offset":${offset}`
  return `2["room:labels",{${place},"labels":${labels}}]`
}

function preEncoded(frame: Buffer): PreEncoded {
  return { wsPreEncodedFrame: [frame], compress: false }
}
