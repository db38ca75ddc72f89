import type { RoomSession } from '../room-session.ts'
import { addressOf, type Rooms } from '../rooms.ts'
import { find, setText, stamp, within } from './page.ts'

/** The rooms of this tab, each a link, with what is unread; and the form that joins another. */
export function createRoomList(rooms: Rooms): { render(): void } {
  const list = find('room-list', HTMLUListElement)
  const form = find('join', HTMLFormElement)
  const name = find('join-name', HTMLInputElement)
  const toggle = find('rooms-toggle', HTMLButtonElement)
  const unreadElsewhere = find('unread-elsewhere', HTMLElement)
  const items = new Map<string, HTMLLIElement>()

  const unfold = (open: boolean) => {
    toggle.ariaExpanded = String(open)
    document.body.classList.toggle('rooms-open', open)
  }
  toggle.addEventListener('click', () => unfold(toggle.ariaExpanded !== 'true'))
  list.addEventListener('click', () => unfold(false))
  find('chat', HTMLElement).addEventListener('pointerdown', () => unfold(false))
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') unfold(false)
  })

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const room = name.value.trim()
    if (room === '') return
    name.value = ''
    unfold(false)
    rooms.open(room)
  })

  function itemFor(room: string): HTMLLIElement {
    const item = stamp('room-template')
    const link = within(item, 'a')
    link.setAttribute('href', addressOf(room))
    setText(within(item, '.room-label'), room)
    const leave = within(item, 'button')
    leave.ariaLabel = `Leave ${room}`
    leave.addEventListener('click', () => rooms.leave(room))
    return item
  }

  function renderItem(item: HTMLLIElement, { room, unread, state }: RoomSession): void {
    const link = within(item, 'a')
    const badge = within(item, '.badge')
    if (room === rooms.active?.room) link.ariaCurrent = 'page'
    else link.ariaCurrent = null
    item.dataset['state'] = state.kind
    setText(badge, unread > 999 ? '999+' : unread > 0 ? String(unread) : '')
    link.ariaLabel = unread > 0 ? `${room}, ${unread} unread` : room
  }

  return {
    render() {
      const sessions = rooms.list
      for (const [room, item] of items) {
        if (sessions.some((session) => session.room === room)) continue
        item.remove()
        items.delete(room)
      }
      for (const session of sessions) {
        const item = items.get(session.room) ?? itemFor(session.room)
        if (!items.has(session.room)) {
          items.set(session.room, item)
          list.append(item)
        }
        renderItem(item, session)
      }
      const unread = sessions.reduce((sum, session) => sum + session.unread, 0)
      unreadElsewhere.hidden = unread === 0
      const title = rooms.active ? `${rooms.active.room} · Roomwire` : 'Roomwire'
      document.title = unread > 0 ? `(${unread}) ${title}` : title
    },
  }
}
