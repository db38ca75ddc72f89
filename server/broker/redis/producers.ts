import type { ProducerCommand, Producers, Refusal } from '../../edge/producers.ts'
import type { PatternListener } from './connection.ts'
import { readEmit, readRequest } from './emitter-frames.ts'
import type { RedisLink } from './link.ts'
import { readPython } from './python-frames.ts'

export interface ProducersOptions {
  /** The `key` of `@socket.io/redis-emitter`; undefined: nobody listens to it. */
  emitterKey: string | undefined
  /** The channel of python-socketio's managers; undefined: nobody listens to it. */
  python: { channel: string; events: readonly string[]; namespaces: readonly string[] } | undefined
}

/** The patterns that are listened to, as an ACL rule must name them. */
export function producerPatterns({ emitterKey, python }: ProducersOptions): readonly string[] {
  return [
    ...(emitterKey === undefined ? [] : emitterPatterns(emitterKey)),
    ...(python === undefined ? [] : [escaped(python.channel)]),
  ]
}

export interface ProducersObserver {
  /** The ACL does not allow this instance to listen. */
  deaf(producer: string, pattern: string): void
  refused(producer: string, reason: Refusal): void
}

/** Levels of arrays and objects, as in a body: Socket.IO goes through them by recursion. */
const MAX_DEPTH = 100
/** Larger ones are not even read. */
const MAX_BYTES = 1_000_000

/**
 * Listens to those who publish into Redis what connections are to hear. Whoever may publish there may
 * speak to every connection: the ACL decides who that is, not we.
 */
export function createProducers(
  link: RedisLink,
  { emitterKey, python }: ProducersOptions,
  observer: ProducersObserver,
): Producers {
  let listener: Parameters<Producers['listen']>[0] = () => undefined

  function listen(
    producer: string,
    pattern: string,
    read: (message: Buffer, channel: string) => ProducerCommand | Refusal | undefined,
  ): void {
    const heard: PatternListener = (message, channel) => {
      let result = message.length > MAX_BYTES ? 'too_large' : read(message, channel)
      if (typeof result === 'object' && 'args' in result && !isShallow(result.args, MAX_DEPTH)) {
        result = 'malformed'
      }
      if (typeof result === 'string') observer.refused(producer, result)
      else if (result !== undefined) listener(producer, result)
    }
    link.subscribePattern(pattern, heard, () => observer.deaf(producer, pattern))
  }

  if (emitterKey !== undefined) {
    const [emits, requests] = emitterPatterns(emitterKey)
    // The namespace is in the frame. Room names may hold a #, so that the channel does not tell it.
    listen('emitter', emits, (message) => readEmit(message))
    const prefix = `${emitterKey}-request#`
    listen('emitter', requests, (message, channel) =>
      readRequest(message, channel.slice(prefix.length, -1)),
    )
  }
  if (python !== undefined) {
    const { channel, events, namespaces } = python
    listen('python', escaped(channel), (message) => {
      const result = readPython(message)
      if (typeof result !== 'object') return result
      if (!namespaces.includes(result.namespace)) return 'namespace'
      if (result.kind !== 'emit' || events.length === 0) return result
      return events.includes(result.event) ? result : 'event'
    })
  }
  return {
    listen(own) {
      listener = own
    },
  }
}

function emitterPatterns(emitterKey: string): [emits: string, requests: string] {
  const key = escaped(emitterKey)
  return [`${key}#/*`, `${key}-request#/*`]
}

/** Literal in a glob. */
function escaped(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&')
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return true
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1))
}
