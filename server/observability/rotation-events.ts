import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** Follows the password of one Redis while it changes: one line for each step, never the password. */
export interface RotationEvents {
  accepted(connections: number): void
  refused(): void
  /** The file cannot be used; what it held before still counts. */
  unusable(reason: string): void
  usable(): void
}

/**
 * @param deps.roles who uses this password
 * @param deps.variable what names the file
 * @param deps.address `host:port/database`
 */
export function createRotationEvents(deps: {
  logger: Logger
  metrics: Metrics
  roles: () => readonly string[]
  variable: string
  address: string
}): RotationEvents {
  const { logger, metrics, roles, variable, address } = deps
  /** Since the last change was accepted. */
  let refusals = 0

  function count(outcome: 'accepted' | 'refused' | 'unreadable'): void {
    for (const role of roles()) metrics.redisRotations.inc({ role, outcome })
  }
  const facts = () => ({ roles: roles(), redis: address, variable })

  return {
    accepted(connections) {
      count('accepted')
      logger.info(
        { ...facts(), connections, refusals },
        'Redis password changed: every connection was authenticated anew, none was dropped',
      )
      refusals = 0
    },
    refused() {
      count('refused')
      refusals += 1
      if (refusals > 1) return // the line that ends this has the count
      logger.warn(
        facts(),
        `Redis refuses the new password of ${variable}: connections stay as they are, the one before is still used, and this one is tried again every few seconds; let Redis know it (ACL SETUSER <user> "#<its SHA-256>") or put the one before back into the file`,
      )
    },
    unusable(reason) {
      count('unreadable')
      logger.warn(
        { ...facts(), reason },
        `${variable} cannot be used (${reason}): the password it held before stays in use; write the password into it, or give the gateway the right to read it`,
      )
    },
    usable() {
      logger.info(facts(), `${variable} can be read again and holds the same password`)
    },
  }
}
