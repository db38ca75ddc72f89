import type { OperationsData } from './data.ts'

/** What an attempt to read the gateway came to. */
export type Answer =
  | { kind: 'data'; data: OperationsData }
  /** Who asks is no operator, as far as the gateway can tell. */
  | { kind: 'refused'; status: 401 | 403; why: string }
  | { kind: 'silent' }

const PATIENCE_MS = 3000

/** Reads what is new since the answer before. */
export async function ask(
  token: string | undefined,
  seen: { boot: string; since: number; revision: number },
): Promise<Answer> {
  const query = new URLSearchParams({
    boot: seen.boot,
    since: String(seen.since),
    revision: String(seen.revision),
  })
  try {
    // Relative: the page works under any path a proxy puts it at.
    const response = await fetch(`ops/data?${query}`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    if (response.ok) return { kind: 'data', data: (await response.json()) as OperationsData }
    if (response.status === 401 || response.status === 403) {
      const { error } = (await response.json()) as { error?: { message?: string } }
      return { kind: 'refused', status: response.status, why: error?.message ?? '' }
    }
    return { kind: 'silent' }
  } catch {
    return { kind: 'silent' } // the next attempt comes in a second; the page says so meanwhile
  }
}
