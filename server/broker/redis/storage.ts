import type { RedisLink } from './link.ts'

/** How the Redis of the rooms keeps what it has; undefined where it does not say. */
export interface Storage {
  /** `maxmemory-policy`; of a cluster that of a node that evicts, if there is one. */
  policy: string | undefined
  /** Whether it has an append-only file; of a cluster: every node. */
  appendOnly: boolean | undefined
}

const NOTHING_KNOWN: Storage = { policy: undefined, appendOnly: undefined }

/** Whoever mends a setting sees it in `/health` within that time; a fail-over shows at once. */
const INTERVAL_MS = 30_000

/** @param changed called with the first reading, and with each that differs from the one before it */
export function watchStorage(
  link: RedisLink,
  changed: (storage: Storage) => void,
): { current(): Storage; stop(): void } {
  let current: Storage | undefined

  function learn(storage: Storage): void {
    const same = current?.policy === storage.policy && current?.appendOnly === storage.appendOnly
    const isFirst = current === undefined
    current = storage
    if (isFirst || !same) changed(storage)
  }

  async function read(): Promise<void> {
    const infos = await link.commandEach(['INFO'])
    learn(summarize(infos.map(String)))
  }

  // Managed Redis may refuse INFO; what cannot be verified is not promised (D6).
  link.onRestored(() => void read().catch(() => learn(NOTHING_KNOWN)))
  const timer = setInterval(() => void read().catch(() => undefined), INTERVAL_MS)
  timer.unref()
  return { current: () => current ?? NOTHING_KNOWN, stop: () => clearInterval(timer) }
}

function summarize(infos: readonly string[]): Storage {
  const policies = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1])
  const files = infos.map((info) => /^aof_enabled:([01])/m.exec(info)?.[1])
  const evicting = policies.find((policy) => policy !== 'noeviction' && policy !== undefined)
  return {
    policy: evicting ?? (policies.includes(undefined) ? undefined : 'noeviction'),
    appendOnly: files.includes('0') ? false : files.includes(undefined) ? undefined : true,
  }
}
