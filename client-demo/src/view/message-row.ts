import type { RoomwireError } from '../../../client/connect.ts'
import { findLinks, type Stretch } from '../links.ts'
import { recoveryText, refusalText } from '../plain-words.ts'
import { displayName, paintAvatar } from './avatar.ts'
import type { Entry, MessageEntry } from './entries.ts'
import { button, setText, stamp, within } from './page.ts'

/** What a reader can do about a message that is on its way, and what is known of it. */
export interface RowDeps {
  attempts(id: string): number
  labels(entry: MessageEntry): readonly string[]
  resend(id: string): void
  discard(id: string): void
  /** Takes a refused message back into the composer. */
  edit(entry: MessageEntry): void
}

/** The row of one entry; `update` shows what may change about it. */
export interface EntryRow {
  readonly element: HTMLLIElement
  /** `continued`: the row above is by the same sender, shortly before. */
  update(entry: Entry, continued: boolean): void
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })

export function createRow(entry: Entry, deps: RowDeps): EntryRow {
  return entry.kind === 'message' ? messageRow(entry, deps) : remarkRow()
}

function remarkRow(): EntryRow {
  const element = stamp('note-template')
  return {
    element,
    update(entry) {
      element.dataset['kind'] = entry.kind === 'note' ? entry.recovery.kind : entry.kind
      setText(within(element, 'span'), remarkText(entry))
    },
  }
}

function remarkText(entry: Entry): string {
  if (entry.kind === 'day') return day.format(entry.at)
  if (entry.kind !== 'note') return ''
  const text = recoveryText(entry.recovery)
  // A reset may come to a connection that was never lost.
  return entry.recovery.kind === 'reset' ? text : `Reconnected · ${text}`
}

function messageRow(first: MessageEntry, deps: RowDeps): EntryRow {
  const element = stamp('message-template')
  const author = within(element, '.author')
  const time = within(element, 'time')
  const offset = within(element, '.offset')
  let shown = ''
  let painted = ''

  within(element, '.body').append(...bodyNodes(first.body))

  return {
    element,
    update(entry, continued) {
      if (entry.kind !== 'message') return
      element.classList.toggle('continued', continued)
      element.classList.toggle('own', entry.own)
      setText(author, displayName(entry.from))
      // Our own id is not known before we are connected, and our name may change until it is sent.
      const { id, name } = entry.from
      if (painted !== `${id} ${name}`) paintAvatar(within(element, '.avatar'), entry.from)
      painted = `${id} ${name}`
      setText(time, clock.format(entry.at))
      time.title = full.format(entry.at)
      setText(offset, entry.offset === undefined ? '' : `#${entry.offset}`)
      element.dataset['offset'] = String(entry.offset ?? '')
      renderLabels(within(element, '.labels'), deps.labels(entry))
      const attempts = deps.attempts(entry.id)
      const state = stateOf(entry)
      // Buttons that are there already keep their focus.
      if (shown === `${state} ${attempts}`) return
      shown = `${state} ${attempts}`
      element.dataset['state'] = state
      within(element, '.state').replaceChildren(...stateNodes(entry, attempts, deps))
    },
  }
}

function stateOf({ own, status }: MessageEntry): string {
  if (status?.kind === 'stored') return status.sent.duplicate ? 'repeated' : 'stored'
  return status?.kind ?? (own ? 'stored' : 'received')
}

function stateNodes(entry: MessageEntry, attempts: number, deps: RowDeps): (Node | string)[] {
  const { id, own, status } = entry
  const discard = () => button('Discard', () => deps.discard(id))
  switch (status?.kind) {
    case undefined:
      return own ? ['stored'] : []
    case 'queued':
      return [attempts > 0 ? `sending again soon (${attempts})` : 'queued']
    case 'sending':
      return [attempts > 1 ? `sending again (${attempts})` : 'sending']
    case 'stored':
      return [status.sent.duplicate ? 'repeated' : 'stored']
    case 'refused':
      return [refused(status.error), button('Edit', () => deps.edit(entry)), discard()]
    case 'uncertain':
      return [
        'uncertain: it may have arrived, or not ',
        button('Send again', () => deps.resend(id)),
        discard(),
      ]
  }
}

const refused = (error: RoomwireError) => `refused: ${refusalText(error)} `

function renderLabels(element: HTMLElement, labels: readonly string[]): void {
  element.hidden = labels.length === 0
  if (element.hidden || element.textContent === labels.join('')) return
  element.replaceChildren(
    ...labels.map((label) => {
      const chip = document.createElement('span')
      chip.className = 'label'
      chip.textContent = label
      return chip
    }),
  )
}

/** `{ text }` is what this page writes; whatever else a room holds is shown as the JSON it is. */
function bodyNodes(body: unknown): Node[] {
  const text = textOf(body)
  if (text !== undefined) return findLinks(text).map(stretchNode)
  const code = document.createElement('code')
  code.textContent = JSON.stringify(body, null, 2)
  return [code]
}

function stretchNode({ text, url }: Stretch): Node {
  if (url === undefined) return document.createTextNode(text)
  const link = document.createElement('a')
  link.href = url
  link.target = '_blank'
  link.rel = 'noopener noreferrer nofollow ugc'
  link.textContent = text
  return link
}

export function textOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('text' in body)) return undefined
  return typeof body.text === 'string' ? body.text : undefined
}
