import type { Counts } from '../histogram.ts'
import type { Pace } from './pace.ts'
import type { Tally } from './tally.ts'
import type { Target } from './wire.ts'

/** What a server speaks: Socket.IO with our verbs, or Nchan's plain WebSocket and HTTP. */
export type WireKind = 'socket.io' | 'nchan'

export interface OpenMembers {
  wire: WireKind
  targets: readonly Target[]
  rooms: readonly string[]
  /** Connections to open; they are dealt out over the rooms first, then over the targets. */
  count: number
  /** Rooms that each one joins; 0 connects and no more. */
  roomsEach: number
  /** How many are on their way at once. */
  concurrency: number
  /** Every so manieth member reads all its messages' markers; the others only count. 0: none does. */
  sampleEvery: number
  /** The others read once in so many ms each; none or 0: at once, like those that sample. */
  readEveryMs?: number
  /** Length of bodies, without quotes. */
  bodyChars: number
}

export interface Opened {
  opened: number
  /** By reason. */
  failed: Tally
  /** From the TCP connection to the last reply. */
  took: Counts
}

export interface Reception {
  /** Since the last call. */
  deliveries: number
  /** From a message's writing to its reading, of the members that sample, since the last call. */
  latency: Counts
}

export interface Audit {
  deliveries: number
  /** Acknowledged messages that did not arrive, summed over members. */
  lost: number
  /** Arrivals beyond what was sent. */
  repeated: number
  /** Of the members that sample: a sender's message not above the one before it. */
  disordered: number
  /** Of the members that sample: room offsets that do not follow each other, where there are any. */
  offsetBreaks: number
  /** Connections that ended, by reason. */
  closed: Tally
}

export interface SenderGroup {
  target: Target
  rooms: readonly string[]
  /** Connections. */
  count: number
}

export interface OpenSenders {
  wire: WireKind
  groups: readonly SenderGroup[]
  bodyChars: number
}

export interface SendWindow {
  /** Since the last call, like all of these. */
  sent: number
  accepted: number
  /** By code. */
  refused: Tally
  /** From a send to its acknowledgement. */
  ack: Counts
  /** How late sends were against their schedule. */
  lag: Counts
}

export interface Sent {
  sent: number
  /** By room. */
  accepted: Tally
  /** Unanswered, or answered with an unknown outcome. */
  uncertain: Tally
}

/** How clients get back what they missed: by position (ours), by Socket.IO's recovery, or not at all. */
export type Recovery = 'position' | 'session' | 'none'

export interface OpenReturning {
  targets: readonly Target[]
  rooms: readonly string[]
  count: number
  concurrency: number
  recovery: Recovery
}

export interface Returned {
  recovered: number
  /** From the beginning of the return to having everything, of those who recovered. */
  took: Counts
  /** Missed messages that never came, over all clients. */
  lost: number
  repeated: number
  /** Answered with `recovered: false`. */
  startedOver: number
  /** Connections or joins that had to be tried again, by reason. */
  retries: Tally
}

/** What a load process can be asked to do. */
export interface LoadApi {
  openMembers(request: OpenMembers): Promise<Opened>
  closeMembers(): Promise<void>
  received(): Promise<Reception>
  /** Waits until so many messages have arrived in all; µs of the shared clock, undefined if too late. */
  reached(deliveries: number, timeoutMs: number): Promise<number | undefined>
  audit(accepted: Tally, uncertain: Tally): Promise<Audit>

  openSenders(request: OpenSenders): Promise<void>
  /** Sends by the clock, whatever comes back: one pace for each group of senders. */
  sendPaced(paces: readonly Pace[], ms: number): Promise<Sent>
  /** Each sender keeps so many sends unanswered. */
  sendPressed(inFlight: number, ms: number): Promise<Sent>
  /** So many messages to each room, in order, each repeated until it is accepted; a room has one sender. */
  sendEach(rooms: readonly string[], times: number): Promise<Sent>
  sendWindow(): Promise<SendWindow>
  /** Round trips of a bare `PING` to Redis on a connection of its own, one every 10 ms. */
  pingRedis(target: Target, ms: number): Promise<Counts>
  /** Appends per second that Redis does with nothing before it. */
  appendCeiling(target: Target, bodyBytes: number, ms: number): Promise<number>

  openReturning(request: OpenReturning): Promise<Opened>
  /** Waits until each client has seen this many messages. */
  seen(messages: number, timeoutMs: number): Promise<boolean>
  cut(): Promise<void>
  /** All at once, to the next target; waits until each has `messages` in all, or it takes too long. */
  comeBack(messages: number, timeoutMs: number): Promise<Returned>
}
