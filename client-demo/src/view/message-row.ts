import type { SendState } from '../outbox.ts'
import { displayName, paintAvatar } from './avatar.ts'
import { recoveryText } from './connection-bar.ts'
import type { Entry } from './entries.ts'
import { setText, stamp, within } from './page.ts'

type Message = Extract<Entry, { kind: 'message' }>

/** The row of one entry; `update` shows what may change about it. */
export interface Row {
  readonly element: HTMLLIElement
  /** `continued`: the row above is by the same sender, shortly before. */
  update(entry: Entry, continued: boolean): void
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

export function createRow(entry: Entry, edit: (message: Message) => void): Row {
  return entry.kind === 'note' ? noteRow() : messageRow(entry, edit)
}

function noteRow(): Row {
  const element = stamp('note-template')
  return {
    element,
    update(entry) {
      if (entry.kind !== 'note') return
      element.dataset['kind'] = entry.recovery.kind
      const text = recoveryText(entry.recovery)
      // A reset may come to a connection that was never lost.
      const isReset = entry.recovery.kind === 'reset'
      setText(within(element, 'span'), isReset ? text : `Reconnected · ${text}`)
    },
  }
}

function messageRow(first: Message, edit: (message: Message) => void): Row {
  const element = stamp('message-template')
  const author = within(element, '.author')
  const time = within(element, 'time')
  const state = within(element, '.state')
  const offset = within(element, '.offset')
  let shown: Message | undefined

  paintAvatar(within(element, '.avatar'), first.from)
  setText(author, displayName(first.from))
  within(element, '.body').append(...bodyNodes(first.body))

  return {
    element,
    update(entry, continued) {
      if (entry.kind !== 'message') return
      element.classList.toggle('continued', continued)
      element.classList.toggle('own', entry.own)
      if (shown?.at !== entry.at) {
        setText(time, clock.format(entry.at))
        time.title = full.format(entry.at)
      }
      if (shown?.offset !== entry.offset) {
        setText(offset, entry.offset === undefined ? '' : `#${entry.offset}`)
        element.dataset['offset'] = String(entry.offset ?? '')
      }
      if (shown === undefined || shown.state !== entry.state) {
        element.dataset['state'] = entry.state?.kind ?? 'received'
        setText(state, entry.state ? stateText(entry.state) : '')
        if (entry.state?.kind === 'refused') state.append(editButton(() => edit(entry)))
      }
      shown = entry
    },
  }
}

function stateText(state: SendState): string {
  switch (state.kind) {
    case 'sending':
      return state.attempts > 1 ? `sending again (${state.attempts})` : 'sending'
    case 'stored':
      return 'stored'
    case 'repeated':
      return 'repeated'
    case 'refused':
      return `refused: ${state.reason} `
  }
}

function editButton(edit: () => void): HTMLButtonElement {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'quiet'
  button.textContent = 'Edit'
  button.addEventListener('click', edit)
  return button
}

/** `{ text }` is what this page writes; whatever else a room holds is shown as the JSON it is. */
function bodyNodes(body: unknown): Node[] {
  const text = textOf(body)
  if (text !== undefined) return [document.createTextNode(text)]
  const code = document.createElement('code')
  code.textContent = JSON.stringify(body, null, 2)
  return [code]
}

export function textOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('text' in body)) return undefined
  return typeof body.text === 'string' ? body.text : undefined
}
