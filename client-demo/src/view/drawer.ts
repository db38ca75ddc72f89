import { find } from './page.ts'

/** Where the drawer lies over the chat; drawer.css has the same width. */
const COVERING = matchMedia('(width <= 1000px)')

/** Opens and closes the drawer; Escape closes it, and the focus goes back to where it came from. */
export function createDrawer(): void {
  const drawer = find('drawer', HTMLElement)
  const toggle = find('drawer-toggle', HTMLButtonElement)
  const close = find('drawer-close', HTMLButtonElement)

  function show(open: boolean): void {
    if (drawer.hidden === !open) return
    drawer.hidden = !open
    toggle.ariaExpanded = String(open)
    if (open) close.focus()
    else toggle.focus()
  }

  toggle.addEventListener('click', () => show(drawer.hidden !== false))
  close.addEventListener('click', () => show(false))
  drawer.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') show(false)
  })
  find('chat', HTMLElement).addEventListener('pointerdown', () => {
    if (COVERING.matches) show(false)
  })
}
