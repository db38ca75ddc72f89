import type { CommandArguments } from './client.ts'

/** Where a right is tried: names that belong to nobody, on one slot of a cluster. */
export interface TrialPlace {
  hash: string
  log: string
  labels: string
  text: string
  /** Of the records of sessions, whose keys have no hash tag outside a cluster. */
  session: string
  channel: string
}

/**
 * One command that a gateway gives to Redis, by itself or in a script. `roomwire acl`, the shipped ACL
 * file, the documentation, the check at the start and the tests' own Redis are all made from this
 * list: a command that is not in it fails the tests.
 */
export interface Right {
  /** As in an ACL rule, in lower case: `publish`, `pubsub|numsub`. */
  readonly command: string
  readonly roles: readonly ('rooms' | 'cache')[]
  readonly why: string
  /** Only inside, or only outside a Redis Cluster; both where absent. */
  readonly topology?: 'cluster' | 'single'
  /** What is missed without it, where the role works all the same: `/health` and a line say so. */
  readonly without?: string
  /** Redis lets anybody do it; other servers may not. */
  readonly unasked?: true
  /** Needed only where this is set. */
  readonly setting?: 'ROOM_ACK_REPLICAS' | 'database'
  /**
   * A call that changes nothing that lasts. Absent where connecting and subscribing need the right,
   * which name it themselves.
   */
  readonly trial?: (at: TrialPlace) => CommandArguments
}

const BOTH = ['rooms', 'cache'] as const
const ROOMS = ['rooms'] as const
const TTL = '1000'

export const rights: readonly Right[] = [
  { command: 'hello', roles: BOTH, unasked: true, why: 'protocol and log-in of every connection' },
  { command: 'auth', roles: BOTH, unasked: true, why: 'a new password over a live connection' },
  {
    command: 'select',
    roles: BOTH,
    topology: 'single',
    setting: 'database',
    why: 'a database number in the URL',
  },
  {
    command: 'set',
    roles: BOTH,
    why: 'ids of messages, claims, shared values, the probe',
    trial: ({ text }) => ['SET', text, '', 'PX', TTL],
  },
  {
    command: 'get',
    roles: BOTH,
    why: 'claims, shared values, the probe',
    trial: ({ text }) => ['GET', text],
  },
  {
    command: 'evalsha',
    roles: BOTH,
    why: 'every operation on a room or a shared value is a script',
    trial: () => ['EVALSHA', '0'.repeat(40), '0'],
  },
  {
    command: 'eval',
    roles: BOTH,
    why: 'a script that Redis does not know yet',
    trial: () => ['EVAL', 'return 1', '0'],
  },
  {
    command: 'time',
    roles: BOTH,
    why: 'when a message was stored, how old a value is',
    trial: () => ['TIME'],
  },
  {
    command: 'hset',
    roles: ROOMS,
    why: 'epoch and tail of a room, records of sessions, who is in a room',
    trial: ({ hash }) => ['HSET', hash, 'e', ''],
  },
  {
    command: 'hmget',
    roles: ROOMS,
    why: 'epoch and tail of a room',
    trial: ({ hash }) => ['HMGET', hash, 'e'],
  },
  {
    command: 'mget',
    roles: ROOMS,
    why: 'whether messages were stored before',
    trial: ({ text }) => ['MGET', text],
  },
  {
    command: 'xadd',
    roles: ROOMS,
    why: 'a message into the log of its room',
    trial: ({ log }) => ['XADD', log, 'NOMKSTREAM', '*', 'm', ''],
  },
  {
    command: 'xrange',
    roles: ROOMS,
    why: 'what follows a position',
    trial: ({ log }) => ['XRANGE', log, '-', '+', 'COUNT', '1'],
  },
  {
    command: 'xrevrange',
    roles: ROOMS,
    why: 'the last messages of a room',
    trial: ({ log }) => ['XREVRANGE', log, '+', '-', 'COUNT', '1'],
  },
  {
    command: 'hget',
    roles: ROOMS,
    why: 'how the last connection of a session ended',
    trial: ({ session }) => ['HGET', session, 'e'],
  },
  {
    command: 'hlen',
    roles: ROOMS,
    why: 'how many are in a room, how many tabs a session has',
    trial: ({ hash }) => ['HLEN', hash],
  },
  {
    command: 'hkeys',
    roles: ROOMS,
    why: 'who is in a room',
    trial: ({ hash }) => ['HKEYS', hash],
  },
  {
    command: 'hscan',
    roles: ROOMS,
    why: 'some of those in a large room',
    trial: ({ hash }) => ['HSCAN', hash, '0'],
  },
  {
    command: 'zadd',
    roles: ROOMS,
    why: 'labels of a message',
    trial: ({ labels }) => ['ZADD', labels, 'XX', '0', ''],
  },
  {
    command: 'zrangebyscore',
    roles: ROOMS,
    why: 'labels of the messages that are read',
    trial: ({ labels }) => ['ZRANGEBYSCORE', labels, '0', '0'],
  },
  {
    command: 'zremrangebyscore',
    roles: ROOMS,
    why: 'labels of messages that are gone',
    trial: ({ labels }) => ['ZREMRANGEBYSCORE', labels, '0', '0'],
  },
  {
    command: 'zscore',
    roles: ROOMS,
    why: 'revocations, leases of users and instances',
    trial: ({ labels }) => ['ZSCORE', labels, ''],
  },
  {
    command: 'zcard',
    roles: ROOMS,
    why: 'connections of a user',
    trial: ({ labels }) => ['ZCARD', labels],
  },
  {
    command: 'zrem',
    roles: ROOMS,
    why: 'connections that ended',
    trial: ({ labels }) => ['ZREM', labels, ''],
  },
  {
    command: 'zrevrange',
    roles: ROOMS,
    why: 'the latest revocations',
    trial: ({ labels }) => ['ZREVRANGE', labels, '0', '0'],
  },
  {
    command: 'zrevrangebyscore',
    roles: ROOMS,
    why: 'revocations since',
    trial: ({ labels }) => ['ZREVRANGEBYSCORE', labels, '0', '0'],
  },
  {
    command: 'incrby',
    roles: ROOMS,
    why: 'limits of a user over all instances',
    trial: ({ hash }) => ['INCRBY', hash, '0'],
  },
  {
    command: 'pexpireat',
    roles: ROOMS,
    why: 'revocations and limits that end',
    trial: ({ labels }) => ['PEXPIREAT', labels, '1'],
  },
  {
    command: 'pttl',
    roles: BOTH,
    why: 'how long a claim holds, or a shared value may still be served',
    trial: ({ text }) => ['PTTL', text],
  },
  {
    command: 'del',
    roles: BOTH,
    why: 'claims and shared values that end, rooms that are empty',
    trial: ({ text }) => ['DEL', text],
  },
  {
    command: 'pexpire',
    roles: BOTH,
    why: 'how long a room or a claim is kept',
    trial: ({ hash }) => ['PEXPIRE', hash, TTL],
  },
  {
    command: 'unlink',
    roles: ROOMS,
    why: 'what is left of a log whose room was lost',
    trial: ({ log, text }) => ['UNLINK', log, text],
  },
  {
    command: 'publish',
    roles: BOTH,
    why: 'a message to the instances with members of its room, a value that was removed',
    trial: ({ channel }) => ['PUBLISH', channel, ''],
  },
  {
    command: 'subscribe',
    roles: BOTH,
    topology: 'single',
    why: 'rooms with members here, values that were removed',
  },
  {
    command: 'psubscribe',
    roles: ROOMS,
    why: 'what backends publish with redis-emitter or python-socketio',
    without: 'they reach no connection',
  },
  {
    command: 'unsubscribe',
    roles: BOTH,
    topology: 'single',
    why: 'rooms that the last member has left',
  },
  {
    command: 'spublish',
    roles: BOTH,
    topology: 'cluster',
    why: 'the same to the node that has the room',
    trial: ({ channel }) => ['SPUBLISH', channel, ''],
  },
  { command: 'ssubscribe', roles: BOTH, topology: 'cluster', why: 'the same at that node' },
  { command: 'sunsubscribe', roles: BOTH, topology: 'cluster', why: 'the same at that node' },
  { command: 'cluster|slots', roles: BOTH, topology: 'cluster', why: 'which node has what' },
  {
    command: 'asking',
    roles: BOTH,
    topology: 'cluster',
    why: 'rooms on their way to another node',
    trial: () => ['ASKING'],
  },
  {
    command: 'wait',
    roles: ROOMS,
    setting: 'ROOM_ACK_REPLICAS',
    why: 'replicas that confirm a message',
    trial: () => ['WAIT', '0', '1'],
  },
  {
    command: 'hgetall',
    roles: ROOMS,
    why: 'who is in a room, connections of a session, the other instances',
    trial: ({ session }) => ['HGETALL', session],
  },
  {
    command: 'hdel',
    roles: ROOMS,
    why: 'users, connections and instances that are gone',
    trial: ({ hash }) => ['HDEL', hash, 'e'],
  },
  {
    command: 'pubsub|numsub',
    roles: ROOMS,
    topology: 'single',
    why: 'how many instances fetchSockets() asks',
    without: 'fetchSockets() and serverSideEmit() of code that embeds the gateway fail',
    trial: ({ channel }) => ['PUBSUB', 'NUMSUB', channel],
  },
  {
    command: 'pubsub|shardnumsub',
    roles: ROOMS,
    topology: 'cluster',
    why: 'the same on a cluster',
    without: 'fetchSockets() and serverSideEmit() of code that embeds the gateway fail',
    trial: ({ channel }) => ['PUBSUB', 'SHARDNUMSUB', channel],
  },
  {
    command: 'info',
    roles: ROOMS,
    why: 'whether Redis may evict messages, and has them on its disk',
    without: 'durability is shown as best-effort',
    trial: () => ['INFO', 'memory'],
  },
]

/** What of it one user needs. */
export interface RightsUse {
  roles: readonly ('rooms' | 'cache')[]
  cluster: boolean
}

/** A user, by the words of its rule. */
export interface AclUserRights extends RightsUse {
  user: string
  keyPrefix: string
  /** Channels that are not ours, in the very words that are subscribed to: Redis compares patterns. */
  channels?: readonly string[]
  /** `#` and the SHA-256 in hexadecimal, or what stands for it. */
  password?: string
}

export function rightsFor({ roles, cluster }: RightsUse): readonly Right[] {
  const elsewhere = cluster ? 'single' : 'cluster'
  return rights.filter(
    (right) => right.topology !== elsewhere && right.roles.some((role) => roles.includes(role)),
  )
}

/**
 * The line of an ACL file that gives a user these rights and no others. Without its first word it is
 * what `ACL SETUSER` takes: whatever rights the user had are taken away, its passwords are kept.
 */
export function aclRule(use: AclUserRights): string {
  const { user, keyPrefix, channels = [], password = '#<sha256>' } = use
  const heard = [`${keyPrefix}:*`, ...channels].map((channel) => `&${channel}`)
  const names = `resetkeys ~${keyPrefix}:* resetchannels ${heard.join(' ')}`
  const commands = rightsFor(use).map(({ command }) => `+${command}`)
  return `user ${user} on ${password} ${names} -@all ${commands.join(' ')}`
}

/** Commands whose refusal is no reason to give the role up. */
export function isOptional(command: string): boolean {
  const name = command.toLowerCase()
  return rights.some((right) => right.without !== undefined && right.command.split('|')[0] === name)
}
