import type { OpenRoom } from '../open-room.ts'
import { addressOf, type Rooms } from '../rooms.ts'
import { find, setText, stamp, within } from './page.ts'
import { rove } from './roving.ts'

/** The rooms of this tab, each a link, with what is unread; and the form that joins another. */
export function createRoomList(rooms: Rooms): { render(): void } {
  const list = find('room-list', HTMLUListElement)
  const form = find('join', HTMLFormElement)
  const name = find('join-name', HTMLInputElement)
  const unreadElsewhere = find('unread-elsewhere', HTMLElement)
  const items = new Map<string, HTMLLIElement>()
  const links = () => [...items.values()].map((item) => within(item, 'a'))
  const settle = rove(list, links)

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const room = name.value.trim()
    const taken = rooms.open(room)
    name.setCustomValidity(taken ? '' : 'Up to 200 bytes, that is 200 plain letters')
    if (taken) name.value = ''
    else name.reportValidity()
  })
  name.addEventListener('input', () => name.setCustomValidity(''))

  function leave(room: string): void {
    rooms.leave(room)
    const next = items.get(rooms.active?.name ?? '')
    if (next) within(next, 'a').focus()
    else name.focus()
  }

  function createItem(room: string): HTMLLIElement {
    const item = stamp('room-template')
    const link = within(item, 'a')
    link.setAttribute('href', addressOf(room))
    link.title = room
    link.addEventListener('keydown', (event) => {
      if (event.key === 'Delete') leave(room)
    })
    setText(within(item, '.room-label'), room)
    const button = within(item, 'button')
    button.ariaLabel = `Leave ${room}`
    button.addEventListener('click', () => leave(room))
    return item
  }

  function renderItem(
    item: HTMLLIElement,
    { name: room, unread, room: { state } }: OpenRoom,
  ): void {
    const link = within(item, 'a')
    link.ariaCurrent = room === rooms.active?.name ? 'page' : null
    item.dataset['state'] = state
    setText(within(item, '.badge'), unread > 999 ? '999+' : unread > 0 ? String(unread) : '')
    link.ariaLabel = unread > 0 ? `${room}, ${unread} unread` : room
  }

  return {
    render() {
      const open = new Map(rooms.list.map((room) => [room.name, room]))
      for (const [room, item] of items) {
        if (open.has(room)) continue
        item.remove()
        items.delete(room)
      }
      for (const [room, shown] of open) {
        const item = items.get(room) ?? createItem(room)
        if (!items.has(room)) {
          items.set(room, item)
          list.append(item)
        }
        renderItem(item, shown)
      }
      settle(links().find((link) => link.ariaCurrent === 'page'))
      const unread = rooms.list.reduce((sum, room) => sum + room.unread, 0)
      unreadElsewhere.hidden = unread === 0
      const title = rooms.active ? `${rooms.active.name} · Roomwire` : 'Roomwire'
      document.title = unread > 0 ? `(${unread}) ${title}` : title
    },
  }
}
