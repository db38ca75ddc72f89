import type { Connection, ConnectionState } from '../connection.ts'
import type { Recovery } from '../room-session.ts'
import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

const STATES: Record<ConnectionState, string> = {
  connecting: 'Connecting',
  live: 'Live',
  degraded: 'Degraded',
  offline: 'Offline',
}

const TRANSPORTS: Record<string, string> = { websocket: 'WebSocket', polling: 'HTTP polling' }

const DURABILITIES = { durable: 'Durable', 'best-effort': 'Best effort', memory: 'In memory' }

export function recoveryText(recovery: Recovery): string {
  if (recovery.kind === 'reset') return 'History was reset'
  if (recovery.messages === 0) return 'Nothing was missed'
  return `Resumed ${recovery.messages} ${recovery.messages === 1 ? 'message' : 'messages'}`
}

/** What the connection is like: state, transport, instance, reconnections, what they brought back. */
export function createConnectionBar(connection: Connection, rooms: Rooms): { render(): void } {
  const state = find('state', HTMLElement)
  const transport = find('transport', HTMLElement)
  const instance = find('instance', HTMLElement)
  const durability = find('durability', HTMLElement)
  const reconnections = find('reconnections', HTMLElement)
  const recovery = find('recovery', HTMLElement)
  const notice = find('notice', HTMLElement)

  return {
    render() {
      const { status } = connection
      setText(state, STATES[status.state])
      state.dataset['state'] = status.state
      setText(transport, TRANSPORTS[status.transport ?? ''] ?? status.transport ?? '–')
      setText(instance, status.instance ?? '–')
      setText(durability, status.durability ? DURABILITIES[status.durability] : '–')
      setText(reconnections, String(status.reconnections))
      const last = rooms.active?.recovery
      setText(recovery, last ? recoveryText(last) : '–')
      recovery.dataset['kind'] = last?.kind ?? 'none'
      notice.hidden = status.notice === undefined
      notice.dataset['state'] = status.state
      setText(notice, noticeText(status.state, status.notice))
    },
  }
}

function noticeText(state: ConnectionState, notice: string | undefined): string {
  if (notice === undefined) return ''
  if (state === 'connecting' || state === 'offline') {
    return `${notice} What you write is kept and sent once you are back.`
  }
  return notice
}
