import type { IncomingMessage } from 'node:http'
import type { Socket } from 'socket.io'
import { type GatewayError, toWireError } from '../errors.ts'
import type { Allowance, Allowances, Closed } from '../session/allowance.ts'
import type { RateLimits, Spender, Spending } from '../session/rates.ts'
import {
  type EngineConnection,
  type IncomingPacket,
  onPing,
  swallow,
  waitingBytes,
} from './engine.ts'
import type { Gathering } from './gathering.ts'
import { lineOf } from './line.ts'
import { textFrame } from './web-socket-frame.ts'

/** Whose limits count for what arrives on a connection, in all of its namespaces. */
export interface Account {
  readonly conn: EngineConnection
  /** The user is added when it is known. */
  readonly spender: Spender
  readonly allowance: Allowance
  /** Its socket in `/`; undefined until it is there. */
  socketId: string | undefined
  /** Attachments still to come of an event that was refused. */
  unwanted: number
  /** Refusals that went the plain path, where what waits has to be looked at. */
  queued: number
  ended: boolean
}

/**
 * Counts what arrives before Socket.IO parses it, and answers there what is over a limit; refusals of one
 * turn leave in one write.
 */
export interface Intake {
  /** Watches a connection from its beginning. */
  watch(conn: EngineConnection): void
  /** What the connection of a socket spends is this user's as well; undefined where it is not watched. */
  identified(socket: Pick<Socket, 'id' | 'conn' | 'nsp'>, user: string): Account | undefined
  /**
   * A request was refused by a limit that its connection shares with others, and so is all that spends
   * the same until then.
   */
  refused(account: Account, what: Spending, refusal: GatewayError): void
}

export interface IntakeDeps {
  allowances: Allowances
  rates: RateLimits
  gathering: Gathering
  address(request: IncomingMessage): string
  /** Refused here, so many with this event: a request of ours, or `other`. */
  counted(event: string, count: number): void
  /** It was refused so often that it is to be sent away. */
  abused(account: Account): void
  /** What waits for it is more than may (D8). */
  tooSlow(account: Account): void
  maxBacklogBytes: number
  now?: () => number
}

/** What a request of ours spends besides bytes and packets. */
const SPENT_BY: ReadonlyMap<string, readonly Spending[]> = new Map([
  ['room:send', ['SENDS']],
  ['room:typing', ['SENDS']],
  ['room:join', ['JOINS']],
  ['room:history', ['JOINS']],
  ['room:members', ['JOINS']],
  ['auth:refresh', ['JOINS']],
  ['room:leave', []],
  ['gateway:hello', []],
])

/** Kind (event or acknowledgement), attachments, namespace, id, and an event's name. */
const PACKET = /^([2356])(?:(\d{1,4})-)?(?:(\/[^,]*),)?(\d*)(?:\["([^"\\]*)")?/
/** Longer ones, of a namespace or a request, are nobody's: they get no answer. */
const MAX_ECHO = 100
/** What is spent by an event whose name is written as no client writes it: it may be any of ours. */
const DISGUISED: readonly Spending[] = ['SENDS', 'JOINS']

/** Between two looks at what waits for a connection: a look goes through all of it. */
const QUEUED_PER_CHECK = 64
const NOTHING: readonly Spending[] = []

function spentBy(name: string | undefined): readonly Spending[] {
  return name === undefined ? DISGUISED : (SPENT_BY.get(name) ?? NOTHING)
}

export function createIntake(deps: IntakeDeps): Intake {
  const { allowances, rates } = deps
  const now = deps.now ?? (() => performance.now())
  const accounts = new WeakMap<EngineConnection, Account>()
  const sharesBytes = rates.limits('BYTES')
  let counts = new Map<string, number>()

  // One listener for all connections: each calls it as its own.
  function receive(this: EngineConnection, packet: IncomingPacket): void {
    const account = accounts.get(this)
    if (account === undefined) return
    const { data } = packet
    if (account.ended) swallow(packet)
    else if (packet.type !== 'message') receiveSign(account)
    else if (typeof data === 'string') receiveText(account, packet, data)
    else if (ArrayBuffer.isView(data)) receiveAttachment(account, packet, data.byteLength)
  }

  /** A pong, or a ping of WebSocket's own: no more than a sign of life. */
  function receiveSign(account: Account): void {
    if (allowances.spend(account.allowance, 'PACKETS', 1)) count(account, 'other')
  }

  /** Where its event was let in it is as well, or nothing would be made of what follows. */
  function receiveAttachment(account: Account, packet: IncomingPacket, bytes: number): void {
    if (account.unwanted > 0) {
      account.unwanted -= 1
      swallow(packet)
    }
    if (allowances.spend(account.allowance, 'BYTES', bytes)) count(account, 'other')
    else shareBytes(account, bytes)
  }

  function receiveText(account: Account, packet: IncomingPacket, data: string): void {
    const { allowance } = account
    account.unwanted = 0
    let closed = allowances.spend(allowance, 'BYTES', data.length)
    const parts = PACKET.exec(data)
    if (parts === null) {
      // It enters or leaves a namespace, which others limit, or is no packet.
      if (closed !== undefined) count(account, 'other')
      return
    }
    const [, kind, attachments, namespace = '/', id = '', name] = parts
    const isEvent = kind === '2' || kind === '5'
    const spent = namespace === '/' && isEvent ? spentBy(name) : NOTHING
    closed ??= allowances.spend(allowance, 'PACKETS', 1)
    for (const what of spent) closed ??= allowances.spend(allowance, what, 1)
    if (closed === undefined) {
      shareBytes(account, data.length)
      return
    }
    swallow(packet)
    account.unwanted = Number(attachments ?? 0)
    if (isEvent && id !== '' && id.length + namespace.length <= MAX_ECHO) {
      reply(account, namespace === '/' ? id : `${namespace},${id}`, closed)
    }
    count(account, spent !== NOTHING && SPENT_BY.has(name ?? '') ? `${name}` : 'other')
  }

  function reply(account: Account, to: string, closed: Closed): void {
    const retryAfterMs = Math.max(1, Math.ceil(closed.until - now()))
    const error = `"code":"RATE_LIMITED","message":"${closed.why}","retryable":true,"retryAfterMs":${retryAfterMs}`
    const packet = `3${to}[{"ok":false,"error":{${error}}}]`
    const { conn } = account
    const line = lineOf(conn)
    if (line !== undefined && deps.gathering.write(line, textFrame(packet))) return
    conn.write(packet, { compress: false })
    account.queued += 1
    if (account.queued % QUEUED_PER_CHECK > 0) return
    if (waitingBytes(conn) > deps.maxBacklogBytes) deps.tooSlow(account)
  }

  function count(account: Account, event: string): void {
    if (counts.size === 0) setImmediate(tellCounts)
    counts.set(event, (counts.get(event) ?? 0) + 1)
    if (allowances.refused(account.allowance)) endFor(account)
  }

  function endFor(account: Account): void {
    if (account.ended) return
    account.ended = true
    deps.abused(account)
  }

  function tellCounts(): void {
    const counted = counts
    counts = new Map()
    for (const [event, times] of counted) deps.counted(event, times)
  }

  function shareBytes(account: Account, bytes: number): void {
    if (!sharesBytes) return
    rates
      .spend(account.spender, 'BYTES', bytes)
      .catch((error: unknown) => self.refused(account, 'BYTES', error as GatewayError))
  }

  const self: Intake = {
    watch(conn) {
      const account: Account = {
        conn,
        spender: { address: deps.address(conn.request) },
        allowance: allowances.open(),
        socketId: undefined,
        unwanted: 0,
        queued: 0,
        ended: false,
      }
      accounts.set(conn, account)
      conn.on('packet', receive)
      onPing(conn, () => receiveSign(account))
    },
    identified({ id, conn, nsp }, user) {
      const account = accounts.get(conn)
      if (account === undefined) return undefined
      if (nsp.name === '/') {
        account.socketId = id
        account.spender.user = user
      } else account.spender.user ??= user
      return account
    },
    refused(account, what, refusal) {
      const { message, retryAfterMs = 1 } = toWireError(refusal)
      allowances.close(account.allowance, what, retryAfterMs, message)
      if (allowances.refused(account.allowance)) endFor(account)
    },
  }
  return self
}
