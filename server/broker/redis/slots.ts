import type { Address, CommandArguments } from './client.ts'

export const SLOTS = 16_384

/** Which of a cluster's slots a key or a sharded channel is in: CRC-16/XMODEM of its hash tag, or of all. */
export function slotOf(key: string | Buffer): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key
  const open = bytes.indexOf(0x7b)
  const close = open < 0 ? -1 : bytes.indexOf(0x7d, open + 1)
  const tagged = close > open + 1
  const end = tagged ? close : bytes.length
  let crc = 0
  for (let index = tagged ? open + 1 : 0; index < end; index += 1) {
    crc = ((crc << 8) & 0xffff) ^ (CRC[((crc >> 8) ^ (bytes[index] ?? 0)) & 0xff] ?? 0)
  }
  return crc % SLOTS
}

const CRC = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc & 0xffff
})

/** By slot, so that each group may go out as one command. */
export function bySlot(channels: readonly string[]): string[][] {
  const groups = new Map<number, string[]>()
  for (const channel of channels) {
    const slot = slotOf(channel)
    const group = groups.get(slot)
    if (group === undefined) groups.set(slot, [channel])
    else group.push(channel)
  }
  return [...groups.values()]
}

/** The key, or sharded channel, that says which node a command is for; undefined where any will do. */
export function keyOf(args: CommandArguments): string | Buffer | undefined {
  switch (String(args[0]).toUpperCase()) {
    case 'EVAL':
    case 'EVALSHA':
      return Number(args[2]) > 0 ? args[3] : undefined
    case 'PUBSUB':
      return args[2]
    case 'INFO':
    case 'TIME':
    case 'PING':
      return undefined
    default:
      return args[1]
  }
}

/** Who serves each slot, and all the nodes there are. */
export interface Topology {
  /** By slot; undefined where nobody does. */
  owners: (Address | undefined)[]
  /** Primaries and replicas. */
  nodes: Address[]
}

/**
 * What CLUSTER SLOTS says: `[first, last, [host, port, id, …], replica, …]` each.
 *
 * @param asked the node that said it: where it names no host, it means its own
 */
export function topologyFrom(reply: unknown, asked: string): Topology {
  const owners: (Address | undefined)[] = new Array(SLOTS)
  const nodes = new Map<string, Address>()
  for (const [first, last, ...servers] of reply as [number, number, ...unknown[][]][]) {
    const addresses = servers.map(([host, port]) => {
      const named = host === null || host === '' || host === '?' ? asked : String(host)
      return { host: named, port: Number(port) }
    })
    for (const address of addresses) nodes.set(nameOf(address), address)
    owners.fill(addresses[0], Number(first), Number(last) + 1)
  }
  return { owners, nodes: [...nodes.values()] }
}

/** As log lines and maps name an address. */
export function nameOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
