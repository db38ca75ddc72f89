import { getHeapStatistics } from 'node:v8'
import type { Entry, LogListener, Tail } from '../rooms/message-log.ts'

/** The rooms of one process. Several logs over one store behave like several instances. */
export interface MemoryStore {
  readonly rooms: Map<string, StoredRoom>
  readonly logs: Set<{ subscribed: ReadonlySet<string>; listener: LogListener | undefined }>
  /** What the rooms take, about. */
  bytes: number
  /** What they may take: beyond it nothing new is stored (D8), as in a Redis that does not evict. */
  readonly maxBytes: number
}

export interface StoredRoom {
  tail: Tail
  entries: Entry[]
  /** First message of each (sender, id), oldest first. */
  dedup: Map<string, First>
  /** The same of each (sender, digest). */
  contents: Map<string, First>
  usedAt: number
  bytes: number
}

/** A message that was stored, and whose log stored it: that tells instances apart. */
export interface First {
  position: Tail
  by: object
  /** By the store's clock. */
  notedAt: number
}

/** Of V8's limit: the rest is for connections, and for the collector to work in. */
const SHARE_OF_HEAP = 0.25

/** What a room takes without messages, a message without its content, and what tells a repeat; measured. */
export const ROOM_BYTES = 1000
const ENTRY_BYTES = 160
export const FIRST_BYTES = 340

export function createMemoryStore(
  maxBytes: number = getHeapStatistics().heap_size_limit * SHARE_OF_HEAP,
): MemoryStore {
  return { rooms: new Map(), logs: new Set(), bytes: 0, maxBytes }
}

/** Takes bytes for a room, or gives them back where there are fewer than none. */
export function charge(store: MemoryStore, room: StoredRoom, bytes: number): void {
  room.bytes += bytes
  store.bytes += bytes
}

export function sizeOf({ content, labels }: Pick<Entry, 'content' | 'labels'>): number {
  const labelled = labels === undefined ? 0 : JSON.stringify(labels).length
  return ENTRY_BYTES + content.length + labelled
}
