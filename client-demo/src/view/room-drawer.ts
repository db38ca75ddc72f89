import type { Rooms } from '../rooms.ts'
import { find } from './page.ts'

/** Where the rooms lie over the chat, behind a button; rooms.css has the same width. */
const NARROW = matchMedia('(width <= 820px)')

/** Narrow windows: the list of rooms comes and goes. It closes when it has done its work. */
export function createRoomDrawer(rooms: Rooms): { render(): void } {
  const drawer = find('rooms', HTMLElement)
  const chat = find('chat', HTMLElement)
  const toggle = find('rooms-toggle', HTMLButtonElement)
  let shown = rooms.active

  const isOpen = () => toggle.ariaExpanded === 'true'

  function unfold(open: boolean): void {
    if (open === isOpen()) return
    toggle.ariaExpanded = String(open)
    document.body.classList.toggle('rooms-open', open)
    // What lies beneath is neither read nor reached by the Tab key.
    for (const part of chat.children) (part as HTMLElement).inert = open && NARROW.matches
    if (open) drawer.querySelector<HTMLElement>('a[tabindex="0"], input')?.focus()
    else if (drawer.contains(document.activeElement)) toggle.focus()
  }

  toggle.addEventListener('click', () => unfold(!isOpen()))
  // Beneath, but a press on it is meant for leaving.
  document.addEventListener('pointerdown', ({ target }) => {
    if (!drawer.contains(target as Node) && !toggle.contains(target as Node)) unfold(false)
  })
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') unfold(false)
  })
  drawer.addEventListener('click', ({ target }) => {
    if (target instanceof Element && target.closest('#room-list a')) unfold(false)
  })
  NARROW.addEventListener('change', () => unfold(false))

  return {
    render() {
      if (rooms.active === shown) return
      shown = rooms.active
      unfold(false)
    },
  }
}
