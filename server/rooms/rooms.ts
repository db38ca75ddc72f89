import { GatewayError } from '../errors.ts'
import {
  createLocalRoom,
  type LocalRoom,
  type LocalRoomOptions,
  type Member,
  type Outlet,
  type RoomObserver,
} from './local-room.ts'
import { createMemberships } from './memberships.ts'
import type {
  Append,
  Appended,
  Claim,
  Entry,
  MessageLog,
  Page,
  Query,
  Tail,
} from './message-log.ts'
import { createPositionChecks } from './position-checks.ts'
import { createReplyGate } from './reply-gate.ts'

export interface JoinRequest {
  room: string
  since?: Claim | undefined
  /** Entries to return where nothing is resumed. */
  limit: number
}

/** What a join is answered with: everything above it follows live, nothing else does (D5). */
export interface JoinAnswer {
  position: Tail
  recovered: boolean
  entries: Entry[]
}

/** The rooms of one instance. All methods reject with `GatewayError` only. */
export interface Rooms {
  /**
   * Admits a member. `admit` runs in the same synchronous step in which the member begins to receive:
   * what it queues comes before every later message and after every earlier one (D5). It is not
   * called, and nobody is admitted, if `stillThere()` is false by then.
   */
  join(
    member: Member,
    request: JoinRequest,
    admit: (admission: JoinAnswer) => void,
    stillThere: () => boolean,
  ): Promise<void>
  /** Idempotent, synchronous: no message follows. */
  leave(member: Member, room: string): void
  /** Leaves every room, as when a connection ends. */
  leaveAll(member: Member): void
  /** Whether the member is in the room. */
  has(member: Member, room: string): boolean
  /** The rooms that the member is in. */
  roomsOf(member: Member): string[]
  /** How many rooms the member is in. */
  countOf(member: Member): number
  send(message: Append): Promise<Appended>
  /** @param asker those who ask at once are served in turns; each that names itself, by itself */
  history(room: string, before: number | undefined, limit: number, asker?: Member): Promise<Page>
  /** The newest messages, or those after a place: `continuity` says whether they continue it. */
  read(room: string, query: Query): Promise<Page>
  /** Forgets the room's messages; members are told to start over (D6). */
  purge(room: string): Promise<Tail>
  /** Verifies every local room against the log now (D4); resolves when it is done. */
  verifyAll(): Promise<void>
  /** Rooms with an open subscription, and memberships in them. */
  counts(): { rooms: number; members: number; behind: number }
  stop(): void
}

export interface RoomsOptions extends LocalRoomOptions {
  /** Bytes of recent messages that all rooms may hold together. */
  ringBudgetBytes: number
  /** How often an idle room is verified, which also keeps its log from expiring. */
  verifyEveryMs: number
}

/** Told who is in which room here, as it changes. */
export interface Attending {
  entered(member: Member, room: string): void
  /** @param mayReturn its connection ended, rather than leaving the room */
  left(member: Member, room: string, mayReturn: boolean): void
}

export interface RoomsDeps {
  log: MessageLog
  attending?: Attending
  outlet: Outlet
  observer: RoomObserver
  options: RoomsOptions
}

/** A join that meets a moving log is tried again; more often than this means something is wrong. */
const JOIN_ATTEMPTS = 5
/**
 * What all replies with messages may hold at once, a page of the log each, and may make in one turn
 * of the event loop. Without it 60 clients that asked for ten histories of 1 MiB took 666 MB.
 */
const REPLIES = { width: 32, bytesPerTurn: 8 * 1024 * 1024, msPerTurn: 10 }
/** Pages being read for rooms that open; members wait for them, so that they have places of their own. */
const OPENINGS = { width: 64, bytesPerTurn: Number.POSITIVE_INFINITY, msPerTurn: 10 }
/** Some 8 kB each. */
const MAX_LINGERING = 5000
const NOBODY: Member = { id: '' }

export function createRooms(deps: RoomsDeps): Rooms {
  const { log, options } = deps
  const budget = { maxBytes: options.ringBudgetBytes, usedBytes: 0 }
  const local = new Map<string, LocalRoom>()
  const memberships = createMemberships()
  const behind = new Set<LocalRoom>()
  const lingering = { count: 0, max: MAX_LINGERING }
  const checks = createPositionChecks({
    log,
    rooms: () => local.values(),
    behind,
    everyMs: options.verifyEveryMs,
    failed: deps.observer.fillFailed,
  })

  const replies = createReplyGate(REPLIES)
  const openings = createReplyGate(OPENINGS)
  /** As local rooms see it: the newest entries are read when a room opens. */
  const roomLog: MessageLog = {
    ...log,
    async read(name, query) {
      if (query.kind !== 'last') return log.read(name, query)
      await openings.enter(NOBODY)
      try {
        return await log.read(name, query)
      } finally {
        openings.leave(0)
      }
    },
  }

  log.listen({
    stored: (name, epoch, entry) => local.get(name)?.stored(epoch, entry),
    knows: (name, ...place) => local.get(name)?.knows(...place) ?? false,
    labelled: (name, epoch, labelled) => local.get(name)?.labelled(epoch, labelled),
    renewed: (name, tail) => local.get(name)?.renewed(tail.epoch),
    restored() {
      for (const room of local.values()) room.interrupted()
      checks.soon()
    },
  })

  function localRoom(name: string): LocalRoom {
    let room = local.get(name)
    if (room === undefined) {
      room = createLocalRoom(name, {
        ...deps,
        log: roomLog,
        budget,
        lingering,
        behind,
        closed: () => local.delete(name),
      })
      local.set(name, room)
    }
    return room
  }

  /** From memory where it can be; undefined where only the log knows. */
  async function answerFromMemory(
    room: LocalRoom,
    request: JoinRequest,
  ): Promise<JoinAnswer | undefined> {
    const labels = room.catchUpOnLabels()
    if (labels !== undefined) await labels
    let answer = room.replica.answer(request.since, request.limit, false)
    if (answer === 'unsure') {
      await room.sync()
      answer = room.replica.answer(request.since, request.limit, true)
    }
    if (typeof answer === 'string') return undefined
    return { position: room.replica.tail, ...answer }
  }

  /** Reads what memory lacks, and brings the room to where the page ends. Undefined: try again. */
  async function answerFromLog(
    room: LocalRoom,
    { since, limit }: JoinRequest,
  ): Promise<JoinAnswer | undefined> {
    const page = await log.read(
      room.name,
      since === undefined
        ? { kind: 'last', limit }
        : { kind: 'resume', from: since, limit: options.resumeMax, orLast: limit },
    )
    const behind = () =>
      page.tail.epoch !== room.replica.tail.epoch || page.tail.offset > room.replica.tail.offset
    if (behind()) await room.sync()
    if (behind()) return undefined
    const later = room.replica.after(page.tail)
    // The page may be from before a fail-over, or what we have: seven clients were once told that a mix
    // of the two was all they had missed.
    if (later === 'unsure') await room.sync()
    if (later === 'unsure' || later === undefined) return undefined
    return {
      position: room.replica.tail,
      recovered: page.continuity === 'whole',
      entries: [...page.entries, ...later],
    }
  }

  function leave(member: Member, name: string, mayReturn: boolean): void {
    if (memberships.leave(member, name)) deps.attending?.left(member, name, mayReturn)
  }

  async function historyOf(name: string, before: number | undefined, limit: number): Promise<Page> {
    const room = local.get(name)
    const labels = room?.catchUpOnLabels()
    if (labels !== undefined) await labels
    if (before === undefined && room?.live && !room.behind) {
      const answer = room.replica.answer(undefined, limit, false)
      if (typeof answer !== 'string') {
        return { tail: room.replica.tail, continuity: 'whole', entries: answer.entries }
      }
    }
    return log.read(
      name,
      before === undefined ? { kind: 'last', limit } : { kind: 'before', offset: before, limit },
    )
  }

  /** The whole of a reply with messages; `made` counts them. */
  async function replying<T>(
    asker: object,
    work: (made: (entries: readonly Entry[]) => void) => Promise<T>,
  ): Promise<T> {
    const turn = replies.enter(asker)
    if (turn !== undefined) await turn
    let bytes = 0
    try {
      return await work((entries) => {
        for (const { content } of entries) bytes += content.length
      })
    } finally {
      replies.leave(bytes)
    }
  }

  return {
    async join(member, request, admit, stillThere) {
      const room = localRoom(request.room)
      const release = room.hold()
      try {
        await room.open()
        await replying(member, async (made) => {
          for (let attempt = 0; attempt < JOIN_ATTEMPTS; attempt += 1) {
            const admission =
              (await answerFromMemory(room, request)) ?? (await answerFromLog(room, request))
            if (admission === undefined || admission.position !== room.replica.tail) continue
            // D5: from here to `entered` nothing else runs.
            deps.outlet.flush(room.name) // which may cut off the very member that joins again
            if (!stillThere()) return
            made(admission.entries)
            admit(admission)
            if (memberships.enter(member, room)) deps.attending?.entered(member, room.name)
            return
          }
          throw new GatewayError('UNAVAILABLE', 'the room is moving too fast to join, try again')
        })
      } finally {
        release()
      }
    },
    leave: (member, name) => leave(member, name, false),
    leaveAll(member) {
      for (const name of memberships.roomsOf(member)) leave(member, name, true)
    },
    has: (member, name) => local.get(name)?.members.has(member) ?? false,
    roomsOf: memberships.roomsOf,
    countOf: memberships.countOf,
    async send(message) {
      const appended = await log.append(message)
      const { position, prevAt } = appended
      if (prevAt !== undefined) {
        const entry = { offset: position.offset, at: position.at, prevAt, content: message.content }
        local.get(message.room)?.appended(position.epoch, entry)
      }
      return appended
    },
    history: (name, before, limit, asker = NOBODY) =>
      replying(asker, async (made) => {
        const page = await historyOf(name, before, limit)
        made(page.entries)
        return page
      }),
    read: (name, query) =>
      replying(NOBODY, async (made) => {
        const page = await log.read(name, query)
        made(page.entries)
        return page
      }),
    purge: (name) => log.purge(name),
    verifyAll: () => checks.now(),
    counts: () => ({ rooms: local.size, members: memberships.count, behind: behind.size }),
    stop() {
      checks.stop()
      for (const room of local.values()) room.stop()
    },
  }
}
