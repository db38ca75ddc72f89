import {
  type Claim,
  type LogListener,
  type MessageLog,
  PAGE_BYTES,
  type Page,
  type Query,
  type Tail,
  type Verified,
} from '../../rooms/message-log.ts'
import type { Retention } from '../retention.ts'
import { labelledOf, pageOf, putOn, tailOf } from './entries.ts'
import { frameOf } from './frames.ts'
import { createGroupCommit } from './group-commit.ts'
import { roomKeys } from './keys.ts'
import type { RedisLink } from './link.ts'
import type { Replication } from './replication.ts'
import { roomTtls } from './room-ttls.ts'
import { callScript } from './script-call.ts'
import { roomScripts, type Script } from './scripts.ts'
import { rethrowRead, rethrowWrite } from './store-errors.ts'

export interface RedisLogOptions extends Retention {
  keyPrefix: string
  /** Messages are given labels, here or elsewhere: reads bring them. */
  labelled?: boolean
  /** This one's name, to tell its repeats from others'. */
  instance: string
  newEpoch: () => string
  /** Told once of each entry that is no message. */
  damaged?: (room: string, offset: number) => void
}

const MAX_TOLD = 1000

/** The message log in Redis: one script call per operation, frames by publish and subscribe. */
export function createRedisLog(
  link: RedisLink,
  options: RedisLogOptions,
  replication?: Replication,
): MessageLog {
  const { keyPrefix, newEpoch } = options
  const { logTtl, metaTtl } = roomTtls(options)
  const scripts = roomScripts(link.sharded)
  let listener: LogListener | undefined

  link.onRestored(() => listener?.restored())

  const run = (script: Script, keys: string[], args: string[]) =>
    callScript(link.command, script, keys, args)

  /** What has been told of; every reader of the room meets it again. */
  const told = new Set<string>()
  function reportDamage(room: string, offset: number): void {
    const name = `${offset} ${room}`
    if (told.has(name)) return
    if (told.size >= MAX_TOLD) told.clear()
    told.add(name)
    options.damaged?.(room, offset)
  }

  async function read(room: string, query: Query): Promise<Page> {
    const keys = roomKeys(keyPrefix, room)
    const from: Claim | undefined = 'from' in query ? query.from : undefined
    const offset = query.kind === 'before' ? query.offset : (from?.offset ?? 0)
    const args = [
      newEpoch(),
      logTtl,
      metaTtl,
      query.kind,
      String(query.limit),
      String(PAGE_BYTES),
      String(offset),
      from?.epoch ?? '',
      from?.at === undefined ? '' : String(from.at),
      query.kind === 'resume' ? String(query.orLast) : '0',
      keys.channel,
    ]
    const toPage = (reply: readonly unknown[]) =>
      pageOf(reply, query, (damaged) => reportDamage(room, damaged))
    const names = [keys.meta, keys.log]
    if (!options.labelled) return toPage(await run(scripts.read, names, args))
    const [reply, labels] = await run(scripts.readLabelled, [...names, keys.labels], args)
    const page = toPage(reply as unknown[])
    putOn(page.entries, (labels as unknown[]).map(labelledOf))
    return page
  }

  /** Without a script: 20,000 rooms are to be looked at in much less than 2 s (D4). */
  async function compare(room: string, position: Tail): Promise<Verified> {
    const { meta } = roomKeys(keyPrefix, room)
    const [epoch, offset, at] = (await link.command(['HMGET', meta, 'e', 'o', 'a'])) as unknown[]
    const tail = { epoch: String(epoch ?? ''), offset: Number(offset), at: Number(at) }
    if (tail.epoch !== position.epoch) return { tail, continuity: 'foreign' }
    const contradicts =
      tail.offset < position.offset || (tail.offset === position.offset && tail.at !== position.at)
    return { tail, continuity: contradicts ? 'broken' : 'whole' }
  }

  return {
    append: createGroupCommit(link.command, options, replication, link.sharded),
    read: (room, query) => read(room, query).catch(rethrowRead),
    verify: (positions, quick = false) =>
      // The client writes what one tick asks for in one go: this is the pipeline.
      Promise.allSettled(
        positions.map(({ room, position }) =>
          quick ? compare(room, position) : read(room, { kind: 'after', from: position, limit: 0 }),
        ),
      ),
    async renew(room, epoch): Promise<Tail> {
      const keys = roomKeys(keyPrefix, room)
      const reply = await run(
        scripts.renew,
        [keys.meta, keys.log],
        [keys.channel, newEpoch(), epoch, logTtl, metaTtl],
      ).catch(rethrowWrite)
      return tailOf(reply)
    },
    async label(room, { offset, at, labels }) {
      const keys = roomKeys(keyPrefix, room)
      const names = [keys.meta, keys.log, keys.labels]
      const args = [keys.channel, String(offset), String(at), labels, logTtl]
      const reply: unknown = await run(scripts.label, names, args).catch(rethrowWrite)
      return Number(reply) === 1
    },
    async labels(room, from, to) {
      const { labels } = roomKeys(keyPrefix, room)
      const found = await link
        .command(['ZRANGEBYSCORE', labels, String(from), String(to)])
        .catch(rethrowRead)
      return (found as unknown[]).map(labelledOf)
    },
    async purge(room): Promise<Tail> {
      const { meta, log, labels, channel } = roomKeys(keyPrefix, room)
      const args = [channel, newEpoch(), metaTtl]
      return tailOf(await run(scripts.purge, [meta, log, labels], args).catch(rethrowWrite))
    },
    async subscribe(room) {
      const { channel } = roomKeys(keyPrefix, room)
      await link.subscribe(channel, (message) => receive(room, message)).catch(rethrowRead)
    },
    async unsubscribe(room) {
      await link.unsubscribe(roomKeys(keyPrefix, room).channel).catch(rethrowRead)
    },
    listen(own) {
      listener = own
    },
  }

  function receive(room: string, message: Buffer): void {
    const frame = frameOf(message, (...place) => listener?.knows?.(room, ...place) ?? false)
    if (frame === undefined) return
    if (frame.kind === 'epoch') listener?.renewed(room, frame.tail)
    else if (frame.kind === 'labels') listener?.labelled(room, frame.epoch, frame.labelled)
    else for (const entry of frame.entries) listener?.stored(room, frame.epoch, entry)
  }
}
