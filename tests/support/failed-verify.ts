import type { MessageLog } from '../../server/rooms/message-log.ts'

/** What `verify` says of each position where none could be read: it does not reject itself. */
export function failedVerify(
  positions: Parameters<MessageLog['verify']>[0],
): (reason: unknown) => Awaited<ReturnType<MessageLog['verify']>> {
  return (reason) => positions.map(() => ({ status: 'rejected', reason }))
}
