import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import type { Scope } from './scope.ts'

export interface Address {
  host: string
  port: number
}

/** The two ways through the proxy. */
export type Direction = 'toTarget' | 'toClient'

/** A TCP relay on a fixed port that can be made to misbehave like a network. */
export interface TcpProxy extends Address {
  /** Connections open now. */
  readonly connections: number
  /** Connections accepted since the start. */
  readonly accepted: number
  /** Destroys every connection and refuses new ones. */
  cut(): Promise<void>
  /** Holds what travels both ways; sockets stay, new ones are accepted and held. */
  stall(): void
  /** Holds what travels one way only, ends of connections included. */
  halfOpen(direction: Direction): void
  /** Each chunk takes at least this long, each way; 0 ends it. */
  slow(options: { ms: number }): void
  /** What travels to clients that have sent `after` arrives so much later, in order. */
  late(options: { ms: number; after: RegExp }): void
  /** Ends every trouble; what was held goes on, as after a repaired link. */
  heal(): Promise<void>
  /** Destroys every connection; later ones go to `target`. */
  retarget(target: Address): void
}

export async function startTcpProxy(
  scope: Scope,
  options: { target: Address; port?: number },
): Promise<TcpProxy> {
  let target = options.target
  let delayMs = 0
  let lateness: { ms: number; after: RegExp } | undefined
  let accepted = 0
  const held: Record<Direction, Gate> = { toTarget: createGate(), toClient: createGate() }
  const pairs = new Set<() => void>()

  // Half-open on both sides: a FIN must not be answered before the link lets it through.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted++
    const upstream = connect({ ...target, allowHalfOpen: true })
    const destroy = () => {
      client.destroy()
      upstream.destroy()
      pairs.delete(destroy)
    }
    pairs.add(destroy)
    void relay(client, upstream, 'toTarget').finally(destroy)
    void relay(upstream, client, 'toClient').finally(destroy)
  })

  /** Clients that have sent what makes things late. */
  const behind = new WeakSet<Socket>()

  /** Resolves when `from` is through and everything that it sent was passed on. */
  async function relay(from: Socket, to: Socket, direction: Direction): Promise<void> {
    from.setNoDelay(true)
    // Reset and broken pipes end the loop below; the listener keeps them from ending the process.
    from.on('error', () => {})
    let passed = Promise.resolve()
    async function pass(chunk: Buffer): Promise<void> {
      await held[direction].opened()
      if (to.destroyed || to.write(chunk)) return
      await Promise.race([once(to, 'drain'), once(to, 'close')])
    }
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        const asks = direction === 'toTarget' && lateness?.after.test(chunk.toString('latin1'))
        if (asks) behind.add(from)
        if (lateness !== undefined && behind.has(to)) {
          passed = Promise.all([passed, sleep(lateness.ms)]).then(() => pass(chunk))
          continue
        }
        if (delayMs > 0) await sleep(delayMs)
        await passed
        await pass(chunk)
        if (to.destroyed) return
      }
    } catch {
      // The other side learns of it by our caller, once the link lets it through.
    }
    await passed
    await held[direction].opened()
  }

  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const port = options.port ?? (await freePort())
  await listen(port)
  const destroyAll = () => {
    for (const destroy of [...pairs]) destroy()
  }
  const open = () => {
    held.toTarget.open()
    held.toClient.open()
  }
  const stopListening = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    destroyAll()
    await closed
  }
  scope.defer(async () => {
    open()
    destroyAll()
    await stopListening()
  })

  return {
    host: '127.0.0.1',
    port,
    get connections() {
      return pairs.size
    },
    get accepted() {
      return accepted
    },
    async cut() {
      await stopListening()
    },
    stall() {
      held.toTarget.close()
      held.toClient.close()
    },
    halfOpen: (direction) => held[direction].close(),
    slow({ ms }) {
      delayMs = ms
    },
    late(options) {
      lateness = options
    },
    async heal() {
      delayMs = 0
      lateness = undefined
      open()
      if (!server.listening) await listen(port)
    },
    retarget(next) {
      target = next
      destroyAll()
    },
  }
}

interface Gate {
  open(): void
  close(): void
  opened(): Promise<void>
}

function createGate(): Gate {
  let opened = Promise.resolve()
  let release: (() => void) | undefined
  return {
    open() {
      release?.()
      release = undefined
    },
    close() {
      if (release !== undefined) return
      opened = new Promise((resolve) => {
        release = resolve
      })
    },
    opened: () => opened,
  }
}
