import { randomUUID } from 'node:crypto'
import type { Connection } from './connection.ts'
import { asRedisFailure, type FailureKind, isRedirection, type RedisFailure } from './failure.ts'
import type { Probe } from './probes.ts'
import type { Command } from './script-call.ts'

/** Probes a server for as long as there is a link to it, and gives up connections that are no use. */
export interface Probing {
  /** A hash tag whose keys this server serves. */
  readonly tag: string
  /** Probes now, and every half second from then on. */
  soon(): void
  /** The same for a new connection: everything is to be tried once. */
  anew(): void
  /** The subscriptions are gone, and the nonce with them. */
  interrupted(failure: RedisFailure): void
  stop(): void
}

export interface ProbingDeps {
  commands: Connection
  /** Undefined for a role that receives nothing. */
  subscriptions: Connection | undefined
  probe: Probe
  /** In a cluster: another probe, of a slot that this primary serves: that of the one before is leaving. */
  another: (() => Probe) | undefined
  /** Why the link is down, while it is. */
  trouble(): FailureKind | undefined
  /** A probe went round; `dataKept` as `Probe.run` says it. */
  succeeded(roundTripMs: number, dataKept: boolean): void
  failed(failure: RedisFailure): void
  /** What the role does fails: no use in asking for it before a probe has gone round. */
  refuse(): void
  /** All connections are to be made anew; where to, the Sentinels say. */
  replaceAll(kind: FailureKind): void
  /** Somebody may know a better server than this one. */
  relocate(): void
}

/** A frozen Redis is noticed after at most interval + deadline; D7 promises 2 s. */
const PROBE_INTERVAL_MS = 500
const PROBE_DEADLINE_MS = 900
/** A missing right is not mended by asking often; each refusal is an entry in Redis' ACL log. */
const NOPERM_INTERVAL_MS = 2000
/** A peer that has been silent for this long is given up and connected to anew. */
const REPLACE_AFTER_MS = 5000
/** One that is no primary is asked for anew, but not in a loop. */
const REPLACE_EVERY_MS = 400
/** Slots leave one by one; one that finds none of its own after so many tries has none. */
const MAX_PROBES_MOVED = 20

export function createProbing(deps: ProbingDeps): Probing {
  const { commands, subscriptions, another } = deps
  let { probe: prober } = deps
  /** Everything was tried once since both connections are there. */
  let proven = false
  let awaited:
    | { nonce: string; arrived: () => void; lost: (failure: RedisFailure) => void }
    | undefined
  let probesMoved = 0
  let probing = false
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  /** When Redis last answered, be it with an error. */
  let answeredAt = performance.now()
  let replacedAt = Number.NEGATIVE_INFINITY

  async function listen(channel: string | undefined): Promise<void> {
    if (channel === undefined) return
    await subscriptions?.subscribe(channel, (nonce) => {
      if (nonce.toString() === awaited?.nonce) awaited.arrived()
    })
  }
  // Not confirmed before the connection is up, which confirms it: nothing to wait for or to fail.
  listen(prober.channel).catch(() => undefined)

  /** A slot of this primary's is leaving: proves that it works with another. */
  async function probeElsewhere(next: Probe): Promise<void> {
    const left = prober.channel
    prober = next
    await listen(prober.channel)
    if (left !== undefined) subscriptions?.unsubscribe(left).catch(() => undefined) // it left by itself
  }

  /** What a room does that its last member leaves; nothing else would need the right for long. */
  async function leave(): Promise<void> {
    if (prober.channel === undefined) return
    const left = `${prober.channel}:left`
    await subscriptions?.subscribe(left, () => undefined)
    await subscriptions?.unsubscribe(left)
  }

  /** Writes, publishes, and waits for the nonce to come back through the subscription. */
  async function roundTrip(): Promise<boolean> {
    const thorough = !proven || deps.trouble() === 'noperm'
    if (thorough) await leave()
    const nonce = randomUUID()
    const arrival =
      prober.channel === undefined
        ? undefined
        : subscriptions?.expect(
            PROBE_DEADLINE_MS,
            new Promise<void>((arrived, lost) => {
              awaited = { nonce, arrived, lost }
            }),
          )
    const command: Command = (args) => commands.command(args, PROBE_DEADLINE_MS)
    const work = prober.run(command, nonce, thorough).catch((error: unknown) => {
      if (another === undefined || !isRedirection(error)) deps.refuse()
      throw error
    })
    const [, dataKept] = await Promise.all([arrival, work])
    if (thorough) proven = true
    return dataKept
  }

  async function probe(): Promise<void> {
    if (probing || !commands.up || subscriptions?.up === false) return
    probing = true
    const started = performance.now()
    try {
      const dataKept = await roundTrip()
      probesMoved = 0
      answeredAt = performance.now()
      deps.succeeded(answeredAt - started, dataKept)
    } catch (error) {
      await probeFailed(asRedisFailure(error))
    } finally {
      probing = false
    }
  }

  async function probeFailed(failure: RedisFailure): Promise<void> {
    if (stopped) return
    if (another !== undefined && isRedirection(failure) && probesMoved < MAX_PROBES_MOVED) {
      probesMoved += 1
      await probeElsewhere(another()).catch(() => undefined) // the next probe tells
      setImmediate(soon)
      return
    }
    deps.failed(failure)
    const now = performance.now()
    if (failure.kind !== 'timeout') answeredAt = now
    if (now - answeredAt > REPLACE_AFTER_MS) {
      answeredAt = now
      replaceAll('timeout')
    } else if (failure.kind === 'readonly' && now - replacedAt > REPLACE_EVERY_MS) {
      // The primary became a replica; whoever leads to it, a name or the Sentinels, may know the new one.
      replaceAll('closed')
    } else deps.relocate()
  }

  function replaceAll(kind: FailureKind): void {
    replacedAt = performance.now()
    deps.replaceAll(kind)
  }

  function soon(): void {
    clearTimeout(timer)
    if (stopped) return
    // `probe` reports its failures itself and never rejects.
    void probe().then(() => {
      clearTimeout(timer)
      if (stopped) return
      const interval = deps.trouble() === 'noperm' ? NOPERM_INTERVAL_MS : PROBE_INTERVAL_MS
      timer = setTimeout(soon, interval * (0.9 + Math.random() / 5))
      timer.unref()
    })
  }

  return {
    get tag() {
      return prober.tag
    },
    soon,
    anew() {
      proven = false
      soon()
    },
    // Waiting for silence would be no end: the next connection may never be silent.
    interrupted: (failure) => awaited?.lost(failure),
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
