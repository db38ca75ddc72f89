import type { Server } from 'socket.io'
import type { Producers } from '../edge/producers.ts'
import type { InstanceDirectory } from '../observability/directory.ts'
import type { DuplicateStore } from '../observability/duplicate-store.ts'
import type { ClaimStore } from '../rooms/claims.ts'
import type { MessageLog } from '../rooms/message-log.ts'
import type { OccupancyStore } from '../rooms/occupancy.ts'
import type { PresenceStore } from '../rooms/presence.ts'
import type { ControlStore } from '../session/revocations.ts'
import type { SessionStore } from '../session/sessions.ts'
import type { UserLedger } from '../session/user-ledger.ts'

/** Where an instance keeps what it shares: in this process, or in Redis with other instances. */
export interface Broker {
  log: MessageLog
  presence: PresenceStore
  occupancy: OccupancyStore
  claims: ClaimStore
  sessions: SessionStore
  control: ControlStore
  ledger: UserLedger
  directory: InstanceDirectory
  duplicates: DuplicateStore
  /** Undefined: Socket.IO's own, within the process. */
  adapter: Parameters<Server['adapter']>[0] | undefined
  /** Backends that speak to connections through Redis; undefined without one. */
  producers: Producers | undefined
  /**
   * What an acknowledged message survives: `durable` as Redis is configured to persist; `best-effort`
   * where Redis may evict it, or does not say; `memory` until this process ends.
   */
  durability(): 'durable' | 'best-effort' | 'memory'
  /** Whether that Redis has an append-only file; undefined where it does not say, and in memory. */
  appendOnly(): boolean | undefined
  /** Undefined while it works, else why not. Changes are told to `onTrouble`. */
  trouble(): string | undefined
  onTrouble(listener: () => void): void
  stop(): void
}
