import type { HistoryEvent } from './history.ts'

export interface RivalReport {
  sent: number
  acked: number
  delivered: number
  /** Acknowledged, and never seen by a client that was a member all the while, or was told it recovered. */
  lost: number
  /** Acknowledged while a client was away from a room it wanted, and never seen; it was told so much. */
  missedAway: number
  repeated: number
  /** Places at which a client's order differs from that of its room's best-informed client. */
  disagreements: number
  positions: number
  rejected: number
  unknownOutcomes: number
}

/** A stretch of membership: continuous, or linked by recoveries. Times in ms. */
interface Span {
  from: number
  to: number
}

interface RivalView {
  spans: Span[]
  open: boolean
  /** Ids in the order of their first sighting. */
  order: string[]
  seen: Map<string, number>
  firstJoin: number
}

/**
 * Judges systems without positions, in their favour: a message counts as lost only where the client was
 * a member from before it was sent until `graceMs` after it was acknowledged, and any disconnection
 * without connection state recovery counts as having told the client.
 */
export function checkRival(events: readonly HistoryEvent[], graceMs = 1000): RivalReport {
  const report: RivalReport = {
    sent: 0,
    acked: 0,
    delivered: 0,
    lost: 0,
    missedAway: 0,
    repeated: 0,
    disagreements: 0,
    positions: 0,
    rejected: 0,
    unknownOutcomes: 0,
  }
  const sent = new Map<string, Map<string, number>>()
  const acked = new Map<string, Map<string, number>>()
  const rooms = new Map<string, Map<string, RivalView>>()
  let end = 0

  for (const fact of events) {
    end = Math.max(end, fact.t)
    if (fact.type === 'send') first(sent, fact.room, fact.id, fact.t)
    else if (fact.type === 'acked') first(acked, fact.room, fact.id, fact.t)
    else if (fact.type === 'failed') {
      if (!fact.retryable) report.rejected += 1
      report.unknownOutcomes += 1
    } else if (fact.type === 'joined') {
      const view = viewOf(rooms, fact.room, fact.client, fact.t)
      if (fact.recovered && view.spans.length > 0) last(view).to = Number.POSITIVE_INFINITY
      else view.spans.push({ from: fact.t, to: Number.POSITIVE_INFINITY })
      view.open = true
    } else if (fact.type === 'message') {
      const view = viewOf(rooms, fact.room, fact.client, fact.t)
      const times = (view.seen.get(fact.id) ?? 0) + 1
      view.seen.set(fact.id, times)
      if (times === 1) view.order.push(fact.id)
      else report.repeated += 1
    } else if (fact.type === 'left') close(rooms.get(fact.room)?.get(fact.client), fact.t)
    else if (fact.type === 'disconnected') {
      for (const views of rooms.values()) close(views.get(fact.client), fact.t)
    }
  }

  for (const ids of sent.values()) report.sent += ids.size
  for (const ids of acked.values()) report.acked += ids.size
  for (const [room, views] of rooms) {
    for (const view of views.values()) {
      report.delivered += view.seen.size
      for (const [id, ackedAt] of acked.get(room) ?? []) {
        if (view.seen.has(id)) continue
        const sentAt = sent.get(room)?.get(id) ?? ackedAt
        const until = Math.min(ackedAt + graceMs, end)
        if (view.spans.some(({ from, to }) => from <= sentAt && until <= to)) report.lost += 1
        else if (view.firstJoin <= sentAt) report.missedAway += 1
      }
    }
    compareOrders([...views.values()], report)
  }
  return report
}

function compareOrders(views: RivalView[], report: RivalReport): void {
  const [best, ...others] = views.sort((a, b) => b.order.length - a.order.length)
  if (best === undefined) return
  for (const view of others) {
    const theirs = view.order.filter((id) => best.seen.has(id))
    const bests = best.order.filter((id) => view.seen.has(id))
    report.positions += theirs.length
    report.disagreements += theirs.filter((id, place) => id !== bests[place]).length
  }
}

function viewOf(
  rooms: Map<string, Map<string, RivalView>>,
  room: string,
  client: string,
  t: number,
): RivalView {
  const views = rooms.get(room) ?? new Map<string, RivalView>()
  rooms.set(room, views)
  const known = views.get(client)
  if (known !== undefined) return known
  const view: RivalView = { spans: [], open: false, order: [], seen: new Map(), firstJoin: t }
  views.set(client, view)
  return view
}

function last(view: RivalView): Span {
  const span = view.spans.at(-1)
  if (span === undefined) throw new Error('a view without a join')
  return span
}

function close(view: RivalView | undefined, t: number): void {
  if (view === undefined || !view.open) return
  last(view).to = t
  view.open = false
}

function first(by: Map<string, Map<string, number>>, room: string, id: string, t: number): void {
  const ids = by.get(room) ?? new Map<string, number>()
  by.set(room, ids)
  if (!ids.has(id)) ids.set(id, t)
}
