import type { Connection } from '../connection.ts'
import type { Outbox } from '../outbox.ts'
import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

const BURST = 100
/** Where the drawer lies over the chat; layout.css has the same width. */
const COVERING = matchMedia('(width <= 1000px)')

/** Switches that make trouble on purpose, and the figures that show what came of it. */
export function createDrawer(
  connection: Connection,
  outbox: Outbox,
  rooms: Rooms,
): { render(): void } {
  const drawer = find('drawer', HTMLElement)
  const toggle = find('drawer-toggle', HTMLButtonElement)
  const offline = find('offline', HTMLButtonElement)
  const kill = find('kill', HTMLButtonElement)
  const repeat = find('repeat', HTMLButtonElement)
  const burst = find('burst', HTMLButtonElement)
  const figures = {
    epoch: find('figure-epoch', HTMLElement),
    offset: find('figure-offset', HTMLElement),
    waiting: find('figure-waiting', HTMLElement),
    repeats: find('figure-repeats', HTMLElement),
    holes: find('figure-holes', HTMLElement),
  }

  const show = (open: boolean) => {
    drawer.hidden = !open
    toggle.ariaExpanded = String(open)
    if (!open) toggle.focus()
  }
  toggle.addEventListener('click', () => show(toggle.ariaExpanded !== 'true'))
  find('drawer-close', HTMLButtonElement).addEventListener('click', () => show(false))
  drawer.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') show(false)
  })

  find('chat', HTMLElement).addEventListener('pointerdown', () => {
    if (!drawer.hidden && COVERING.matches) show(false)
  })

  offline.addEventListener('click', () => {
    if (connection.status.state === 'offline') connection.goOnline()
    else connection.goOffline()
  })
  kill.addEventListener('click', () => connection.kill())
  repeat.addEventListener('click', () => {
    if (rooms.active) outbox.repeatLast(rooms.active.room)
  })
  burst.addEventListener('click', () => {
    const room = rooms.active?.room
    if (room === undefined) return
    for (let index = 1; index <= BURST; index += 1) {
      outbox.send(room, { text: `${index} of ${BURST}` })
    }
  })

  return {
    render() {
      const session = rooms.active
      const isOffline = connection.status.state === 'offline'
      setText(offline, isOffline ? 'Go online' : 'Go offline')
      kill.disabled = connection.status.transport === undefined
      repeat.disabled = !session?.outgoing.some(({ state }) => state.kind !== 'refused')
      burst.disabled = !session
      setText(figures.epoch, session?.position?.epoch ?? '–')
      setText(figures.offset, String(session?.position?.offset ?? '–'))
      const waiting = session?.outgoing.filter(({ state }) => state.kind === 'sending').length
      setText(figures.waiting, String(waiting ?? 0))
      setText(figures.repeats, String(session?.anomalies.repeats ?? 0))
      setText(figures.holes, String(session?.anomalies.holes ?? 0))
    },
  }
}
