import type { Audit, LoadApi, Sent } from './load/api.ts'
import { added, totalOf } from './load/tally.ts'

const DRAIN_MS = 10_000

/**
 * What came of two windows of sending, one delivery for each message. An acknowledgement may come before
 * the delivery, which may be waiting for others (D3): counted is when everything is there, or after 10 s.
 */
export async function settledAudit(
  members: Pick<LoadApi, 'reached' | 'audit'>,
  first: Sent,
  second: Sent,
): Promise<Audit> {
  const accepted = added(first.accepted, second.accepted)
  await members.reached(totalOf(accepted), DRAIN_MS)
  return members.audit(accepted, added(first.uncertain, second.uncertain))
}
