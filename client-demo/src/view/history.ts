import type { Sender } from '../../../server/protocol.ts'
import type { OpenRoom } from '../open-room.ts'
import { type Entry, entriesOf, type MessageEntry } from './entries.ts'
import { createRow, type EntryRow, textOf } from './message-row.ts'
import { find, setText } from './page.ts'
import { createRowWindow } from './row-window.ts'

/** Messages of one sender this close together share one heading. */
const TOGETHER_MS = 5 * 60_000
/** So near to the first message, the page before it is fetched. */
const EARLIER_PX = 400
/** Rows that are kept for scrolling back to. */
const ROWS_KEPT = 400

/** The history of the active room: only rows near sight exist, each changed in place. */
export function createHistory(deps: {
  me: () => Sender
  active: () => OpenRoom | undefined
  /** Takes a text back into the composer. */
  write: (text: string) => void
}): { render(): void } {
  const scroll = find('scroll', HTMLElement)
  const log = find('log', HTMLElement)
  const list = find('messages', HTMLOListElement)
  const toEnd = find('to-end', HTMLButtonElement)
  const renderEarlier = createEarlier(deps.active)
  let made = new Map<string, EntryRow>()
  let entries: Entry[] = []
  let shown: OpenRoom | undefined
  /** Those that `entries` is made of. */
  let messages: OpenRoom['room']['messages'] | undefined
  let newestSeen = 0
  let isDue = false

  const rowDeps = {
    attempts: (id: string) => shown?.attemptsOf(id) ?? 0,
    labels: ({ epoch, offset, labels }: MessageEntry) =>
      epoch === undefined || offset === undefined
        ? []
        : (shown?.labels.at({ epoch, offset }, labels) ?? []),
    resend: (id: string) => shown?.room.resend(id),
    discard: (id: string) => shown?.room.discard(id),
    edit({ id, body }: MessageEntry) {
      shown?.room.discard(id)
      deps.write(textOf(body) ?? JSON.stringify(body))
    },
  }
  const view = createRowWindow({ scroll, list, row: rowAt, moved })

  function rowAt(key: string, index: number): EntryRow {
    const entry = entries[index] as Entry
    const row = made.get(key) ?? createRow(entry, rowDeps)
    // Last used, last forgotten.
    made.delete(key)
    made.set(key, row)
    row.update(entry, continues(entries[index - 1], entry))
    row.element.ariaSetSize = String(entries.length)
    row.element.ariaPosInSet = String(index + 1)
    row.element.dataset['index'] = String(index)
    return row
  }

  function moved(): void {
    for (const key of made.keys()) {
      if (made.size <= Math.max(ROWS_KEPT, view.existing)) break
      made.delete(key)
    }
    const newest = shown?.room.messages.at(-1)?.offset ?? 0
    if (view.following) newestSeen = newest
    const unseen = newest - newestSeen
    toEnd.hidden = view.following
    setText(toEnd, unseen > 0 ? `${unseen} new ${unseen === 1 ? 'message' : 'messages'}` : 'Latest')
    settleStop()
    if (isDue) return
    isDue = true
    requestAnimationFrame(() => {
      isDue = false
      // A page that has come and is not shown yet has moved nothing so far.
      if (!shown || shown.room.messages !== messages || shown.room.state !== 'joined') return
      const isNear = scroll.scrollTop - list.offsetTop < EARLIER_PX
      if (isNear && shown.earlier === 'more') void shown.loadEarlier()
    })
  }

  /** One stop for the Tab key: where the focus is, else the newest row in sight. */
  function settleStop(): void {
    const stop = list.contains(document.activeElement)
      ? document.activeElement?.closest('li')
      : made.get(view.lastInSight ?? '')?.element
    for (const row of list.children) (row as HTMLElement).tabIndex = row === stop ? 0 : -1
  }

  toEnd.addEventListener('click', () => {
    view.follow()
    find('text', HTMLTextAreaElement).focus()
  })
  list.addEventListener('keydown', (event) => {
    const { key, target } = event
    if (!(target instanceof HTMLLIElement)) return
    const here = Number(target.dataset['index'])
    const ends: Partial<Record<string, number>> = { Home: 0, End: entries.length - 1 }
    const next = key === 'ArrowUp' ? here - 1 : key === 'ArrowDown' ? here + 1 : ends[key]
    if (next === undefined || next < 0) return
    event.preventDefault()
    view.reveal(next)?.focus({ preventScroll: true })
    settleStop()
  })

  return {
    render() {
      const open = deps.active()
      if (open !== shown) {
        shown = open
        made = new Map()
        view.begin()
      }
      log.ariaLabel = open ? `Messages in ${open.name}` : 'Messages'
      renderEarlier()
      messages = open?.room.messages
      entries = open ? entriesOf(open, deps.me()) : []
      view.show(entries.map(({ key }) => key))
    },
  }
}

/** What stands before the first message: whether there is more, or this is where it begins. */
function createEarlier(active: () => OpenRoom | undefined): () => void {
  const earlier = find('earlier', HTMLButtonElement)
  const beginning = find('beginning', HTMLElement)
  earlier.addEventListener('click', () => void active()?.loadEarlier())

  return () => {
    const open = active()
    const state = open?.room.state === 'refused' ? undefined : open?.earlier
    earlier.hidden = state === undefined || state === 'none' || state === 'full'
    earlier.disabled = state === 'loading'
    setText(
      earlier,
      state === 'loading'
        ? 'Loading…'
        : state === 'failed'
          ? 'Earlier messages could not be loaded: try again'
          : 'Load earlier messages',
    )
    beginning.hidden = !open?.room.position || !(state === 'none' || state === 'full')
    const isEmpty = open?.room.messages.length === 0 && open.room.outgoing.length === 0
    setText(
      beginning,
      state === 'full'
        ? 'Older messages are not shown in this window.'
        : isEmpty
          ? 'No messages yet. Say something.'
          : 'This is the beginning of what is kept.',
    )
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
