import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, ask, type Endpoint } from './client.ts'
import { RedisFailure } from './failure.ts'
import { nameOf, SLOTS, type Topology, topologyFrom } from './slots.ts'

/**
 * Which primary of a cluster serves each slot, as far as we know: what nodes say when asked, and what
 * they say by the way, in redirections.
 */
export interface SlotMap {
  ownerOf(slot: number): Address | undefined
  /** Every primary that serves a slot, by its name. */
  primaries(): ReadonlyMap<string, Address>
  /** Every slot is served by somebody. */
  readonly whole: boolean
  /** A node says that a slot belongs to another. It knows better than whoever is asked next. */
  moved(slot: number, to: Address): void
  /**
   * Asks one node, `first` before others; while one is asked, no other is. Resolves when the answer is
   * in, never rejects.
   */
  refresh(first?: Address): Promise<void>
  close(): void
}

export interface SlotMapDeps {
  /** Credentials and TLS; host and port are replaced. */
  endpoint: () => Endpoint
  seeds: readonly Address[]
  /** Nodes that work are asked first. */
  works: (address: Address) => boolean
  changed(): void
  /** No node answered: the most telling failure. */
  failed(failure: RedisFailure): void
}

/** A frozen node does not keep us from asking the next. */
const ANSWER_MS = 700
/** Nodes learn of each other's slots within a second or so; a redirection stands until then. */
const REDIRECTION_STANDS_MS = 3000
/** Not more often than this, however many ask for it. */
const PAUSE_MS = 50
/** The next ones are asked the next time. */
const MAX_ASKED = 3

export function createSlotMap(deps: SlotMapDeps): SlotMap {
  let owners: Topology['owners'] = new Array(SLOTS)
  let nodes: readonly Address[] = []
  let primaries = new Map<string, Address>()
  let whole = false
  let running: Promise<void> | undefined
  let turn = 0
  let closed = false
  const redirections = new Map<number, { to: Address; at: number }>()

  /** Adopts the owners; tells of it where any changed. */
  function take(next: Topology['owners']): void {
    const known = new Map<string, Address>()
    let served = 0
    let changes = 0
    let last: Address | undefined
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const owner = next[slot]
      if (owner?.host !== owners[slot]?.host || owner?.port !== owners[slot]?.port) changes += 1
      if (owner === undefined) continue
      served += 1
      // Of a range it is the same object.
      if (owner !== last) known.set(nameOf(owner), owner)
      last = owner
    }
    owners = next
    primaries = known
    whole = served === SLOTS
    if (changes > 0 && !closed) deps.changed()
  }

  async function askAround(first: Address | undefined): Promise<void> {
    const all = new Map([...nodes, ...deps.seeds].map((address) => [nameOf(address), address]))
    const known = [...all.values()]
    turn += 1
    const rotated = known.map((_, index) => known[(index + turn) % known.length] as Address)
    const asked = [
      ...(first === undefined ? [] : [first]),
      ...rotated.filter((address) => deps.works(address)),
      ...rotated.filter((address) => !deps.works(address)),
    ].slice(0, MAX_ASKED)
    let failure: RedisFailure | undefined
    for (const address of asked) {
      try {
        const endpoint = { ...deps.endpoint(), ...address, database: 0 }
        const reply = await ask(endpoint, ['CLUSTER', 'SLOTS'], ANSWER_MS)
        if (!Array.isArray(reply)) throw new RedisFailure('cluster')
        const answer = topologyFrom(reply, address.host)
        nodes = answer.nodes
        for (const [slot, { to, at }] of redirections) {
          if (performance.now() - at > REDIRECTION_STANDS_MS) redirections.delete(slot)
          else answer.owners[slot] = to
        }
        take(answer.owners)
        return
      } catch (error) {
        failure ??= error instanceof RedisFailure ? error : new RedisFailure('other')
      }
    }
    if (failure !== undefined && !closed) deps.failed(failure)
  }

  return {
    ownerOf: (slot) => owners[slot],
    primaries: () => primaries,
    get whole() {
      return whole
    },
    moved(slot, to) {
      redirections.set(slot, { to, at: performance.now() })
      const owner = owners[slot]
      if (owner?.host === to.host && owner.port === to.port) return
      const next = owners.slice()
      next[slot] = to
      take(next)
    },
    refresh(first) {
      running ??= (async () => {
        try {
          if (!closed) await askAround(first)
          await sleep(PAUSE_MS, undefined, { ref: false })
        } finally {
          running = undefined
        }
      })()
      return running
    },
    close() {
      closed = true
    },
  }
}
