import type { PresenceChange, Present } from '../../rooms/presence.ts'

/** More users than this are not told one by one: whoever listens reads the room. */
const MAX_TOLD = 200

/** What a write tells: `change` undefined asks listeners to read the room. */
export interface PresenceFrame {
  boot: string
  change: PresenceChange | undefined
}

export function presenceFrame(boot: string, change: PresenceChange | undefined): string {
  const users = (change?.present.length ?? 0) + (change?.gone.length ?? 0)
  const told = users <= MAX_TOLD ? change : undefined
  return JSON.stringify({ boot, change: told } satisfies PresenceFrame)
}

/** Undefined for anything else: whoever may publish here may also publish nonsense. */
export function presenceOfFrame(message: Buffer): PresenceFrame | undefined {
  try {
    const { boot, change } = JSON.parse(message.toString()) as Record<string, unknown>
    if (typeof boot !== 'string') return undefined
    if (change === undefined) return { boot, change }
    const { whole, present, gone } = change as Record<string, unknown>
    if (typeof whole !== 'boolean' || !Array.isArray(present) || !Array.isArray(gone)) {
      return undefined
    }
    if (!gone.every((id) => typeof id === 'string') || !present.every(isPresent)) return undefined
    return { boot, change: { whole, present, gone } }
  } catch {
    return undefined
  }
}

function isPresent(value: unknown): value is Present {
  const { user, since } = value as Partial<Present>
  return (
    typeof since === 'number' &&
    typeof user?.id === 'string' &&
    (user.name === undefined || typeof user.name === 'string')
  )
}
