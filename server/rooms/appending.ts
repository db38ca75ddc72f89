import { digestOf } from '../content.ts'
import type { Append, MessageLog, Tail } from './message-log.ts'

/** Gives every message a digest of its body, for the content window. */
export function withDigests(log: MessageLog): MessageLog {
  return {
    ...log,
    append(message) {
      const { body } = JSON.parse(message.content) as { body: unknown }
      return log.append({ ...message, digest: digestOf(body) })
    },
  }
}

/** Calls back with every message that this instance stored, at most once each, after its reply. */
export function withAfterStore(
  log: MessageLog,
  stored: (message: Append, position: Tail) => void,
): MessageLog {
  return {
    ...log,
    async append(message) {
      const appended = await log.append(message)
      // In a turn of its own: the sender has its acknowledgement before, the members their message.
      if (!appended.duplicate) setImmediate(stored, message, appended.position)
      return appended
    },
  }
}
