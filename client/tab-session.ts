import { randomId } from './random-id.ts'

/** The session of this client, and the right to its outbox. */
export interface TabSession {
  readonly session: string
  /** Lets others take it over; undefined where another tab has the right to its outbox. */
  readonly release: (() => void) | undefined
}

export interface SessionRequest {
  /** The gateway's address: sessions of different gateways have nothing to do with each other. */
  scope: string
  /** Wanted by the application. */
  wanted: string | undefined
  /** Sessions with unsent messages, whose tabs may be gone. */
  leftBehind: () => Promise<string[]>
}

/**
 * How long an owner may take to let go: a reload begins before the page that it replaces has ended. A
 * tab that still holds its session by then is another one, of which this one is a duplicate.
 */
const HAND_OVER_MS = 1_000

/**
 * Finds the session to use: the one wanted, else this tab's, else one that a closed tab left with
 * unsent messages, else a new one. A Web Lock decides who has it. Where there are none a reload keeps
 * its session, but nobody can know that it is alone with it: the outbox is nobody's. Rejects where the
 * browser forbids to keep anything.
 */
export async function claimSession(request: SessionRequest): Promise<TabSession> {
  const { scope, wanted } = request
  const key = `roomwire ${scope}`
  const locks = globalThis.navigator?.locks as LockManager | undefined
  const storage = globalThis.sessionStorage as Storage | undefined

  const claim = (session: string, options: LockOptions) =>
    new Promise<TabSession | undefined>((resolve) => {
      const refused = () => resolve(undefined)
      const granted = (lock: Lock | null) =>
        lock ? new Promise<void>((release) => resolve({ session, release })) : refused()
      if (locks) locks.request(`${key} ${session}`, options, granted).catch(refused)
      else refused()
    })

  const own = wanted ?? storage?.getItem(key)
  let found = own ? await claim(own, { signal: AbortSignal.timeout(HAND_OVER_MS) }) : undefined
  if (wanted === undefined && locks) {
    for (const session of [...(found ? [] : await request.leftBehind()), randomId()]) {
      found ??= await claim(session, { ifAvailable: true })
    }
  }
  found ??= { session: own ?? randomId(), release: undefined }
  if (wanted === undefined) storage?.setItem(key, found.session)
  return found
}
