import type { Client } from '../../../client/connect.ts'
import type { Link } from '../link.ts'
import { noticeText, recoveryText, stateText, storageText, transportText } from '../plain-words.ts'
import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

/** What the connection is like: state, transport, instance, reconnections, what they brought back. */
export function createConnectionBar(client: Client, link: Link, rooms: Rooms): { render(): void } {
  const state = find('state', HTMLElement)
  const transport = find('transport', HTMLElement)
  const instance = find('instance', HTMLElement)
  const durability = find('durability', HTMLElement)
  const reconnections = find('reconnections', HTMLElement)
  const recovery = find('recovery', HTMLElement)
  const notice = find('notice', HTMLElement)

  return {
    render() {
      const { status } = client
      setText(state, link.held ? 'Not connected' : stateText(status))
      state.dataset['state'] = link.held ? 'held' : status.state
      setText(transport, transportText(status))
      setText(instance, status.instance ?? '–')
      instance.title = status.instance ?? ''
      setText(durability, storageText(status))
      durability.title = storageText(status)
      setText(reconnections, String(status.reconnections))
      const last = rooms.active?.recovery
      setText(recovery, last ? recoveryText(last) : '–')
      recovery.dataset['kind'] = last?.kind ?? 'none'
      const text = link.held ? '' : noticeText(status, link.paused)
      notice.hidden = text === ''
      notice.dataset['state'] = status.state
      setText(notice, text)
    },
  }
}
