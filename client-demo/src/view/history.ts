import type { Sender } from '../../../server/protocol.ts'
import type { RoomSession } from '../room-session.ts'
import { type Entry, entriesOf } from './entries.ts'
import { createRow, type Row } from './message-row.ts'
import { find, setText } from './page.ts'

/** Messages of one sender this close together share one heading. */
const TOGETHER_MS = 5 * 60_000
/** Nearer to the end than this, the reader follows what arrives. */
const END_PX = 80

/**
 * The history of the active room. Rows are kept by key and changed in place, so that a message that
 * becomes stored neither jumps nor is read out again.
 */
export function createHistory(deps: {
  me: () => Sender
  active: () => RoomSession | undefined
  edit: (entry: Extract<Entry, { kind: 'message' }>) => void
}): { render(): void } {
  const scroll = find('scroll', HTMLElement)
  const log = find('log', HTMLElement)
  const list = find('messages', HTMLOListElement)
  const earlier = find('earlier', HTMLButtonElement)
  const beginning = find('beginning', HTMLElement)
  const toEnd = find('to-end', HTMLButtonElement)
  let rows = new Map<string, Row>()
  let shown: RoomSession | undefined
  let following = true
  let newestSeen = 0

  // Safari does not let the keyboard into a scrolling region by itself.
  scroll.tabIndex = 0
  const goToEnd = () => {
    scroll.scrollTop = scroll.scrollHeight
  }
  earlier.addEventListener('click', () => void deps.active()?.loadEarlier())
  toEnd.addEventListener('click', () => {
    following = true
    goToEnd()
    find('text', HTMLTextAreaElement).focus()
  })
  scroll.addEventListener('scroll', () => {
    following = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < END_PX
    renderToEnd()
  })
  new ResizeObserver(() => {
    if (following) goToEnd()
  }).observe(scroll)

  function renderRows(entries: Entry[]): void {
    const kept = new Map<string, Row>()
    for (const entry of entries) {
      kept.set(entry.key, rows.get(entry.key) ?? createRow(entry, deps.edit))
    }
    for (const [key, row] of rows) if (!kept.has(key)) row.element.remove()
    rows = kept

    let cursor = list.firstElementChild
    let above: Entry | undefined
    for (const entry of entries) {
      const row = kept.get(entry.key)
      if (!row) continue
      row.update(entry, continues(above, entry))
      if (row.element === cursor) cursor = cursor.nextElementSibling
      else list.insertBefore(row.element, cursor)
      above = entry
    }
  }

  function renderHead(session: RoomSession | undefined): void {
    earlier.hidden = !session || session.earlier === 'none'
    earlier.disabled = session?.earlier === 'loading'
    setText(earlier, earlier.disabled ? 'Loading…' : 'Load earlier messages')
    // Old messages that were asked for are not news: a screen reader does not read them out.
    log.ariaBusy = String(earlier.disabled)
    beginning.hidden = session?.state.kind !== 'joined' || session.earlier !== 'none'
    setText(
      beginning,
      session?.messages.length === 0 && session.outgoing.length === 0
        ? 'No messages yet. Say something.'
        : 'This is the beginning of what is kept.',
    )
  }

  function renderToEnd(): void {
    const newest = shown?.messages.at(-1)?.offset ?? 0
    if (following) newestSeen = newest
    const unseen = newest - newestSeen
    toEnd.hidden = following
    setText(toEnd, unseen > 0 ? `${unseen} new ${unseen === 1 ? 'message' : 'messages'}` : 'Latest')
  }

  return {
    render() {
      const session = deps.active()
      if (session !== shown) {
        shown = session
        following = true
        list.replaceChildren()
        rows = new Map()
      }
      log.ariaLabel = session ? `Messages in ${session.room}` : 'Messages'
      const fromEnd = scroll.scrollHeight - scroll.scrollTop
      const firstBefore = list.firstElementChild
      renderRows(session ? entriesOf(session, deps.me()) : [])
      renderHead(session)
      if (following) goToEnd()
      else if (list.firstElementChild !== firstBefore) {
        // Earlier messages came in above: what is being read stays where it is.
        scroll.scrollTop = scroll.scrollHeight - fromEnd
      }
      renderToEnd()
    },
  }
}

function continues(above: Entry | undefined, entry: Entry): boolean {
  return (
    entry.kind === 'message' &&
    above?.kind === 'message' &&
    above.from.id === entry.from.id &&
    above.from.name === entry.from.name &&
    entry.at - above.at < TOGETHER_MS
  )
}
