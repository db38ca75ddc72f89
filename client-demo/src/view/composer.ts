import type { Outbox } from '../outbox.ts'
import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

const TALLEST_PX = 160

/** Where messages are written, and who else is writing. Enter sends, Shift and Enter breaks the line. */
export function createComposer(
  rooms: Rooms,
  outbox: Outbox,
): { render(): void; write(text: string): void } {
  const form = find('composer', HTMLFormElement)
  const text = find('text', HTMLTextAreaElement)
  const typing = find('typing', HTMLElement)
  const drafts = new Map<string, string>()
  let room: string | undefined

  const grow = () => {
    text.style.height = 'auto'
    text.style.height = `${Math.min(text.scrollHeight, TALLEST_PX)}px`
  }

  text.addEventListener('input', () => {
    grow()
    rooms.active?.typing.announce(text.value.trim() !== '')
  })
  text.addEventListener('blur', () => rooms.active?.typing.announce(false))
  text.addEventListener('keydown', (event) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    form.requestSubmit()
  })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const session = rooms.active
    const value = text.value.trim()
    if (!session || value === '') return
    session.typing.announce(false)
    text.value = ''
    grow()
    outbox.send(session.room, { text: value })
    text.focus()
  })
  find('skip', HTMLAnchorElement).addEventListener('click', (event) => {
    // The fragment names the room; a jump must not change it.
    event.preventDefault()
    text.focus()
  })

  return {
    render() {
      const session = rooms.active
      if (session?.room !== room) {
        if (room !== undefined) drafts.set(room, text.value)
        room = session?.room
        text.value = drafts.get(room ?? '') ?? ''
        text.placeholder = session ? `Message ${session.room}` : 'Join a room to write'
        grow()
      }
      form.inert = !session
      setText(typing, typingText(session?.typing.names ?? []))
    },
    write(value) {
      text.value = text.value === '' ? value : `${value}\n${text.value}`
      grow()
      text.focus()
    },
  }
}

function typingText(names: string[]): string {
  const [first, second] = names
  if (first === undefined) return ''
  if (second === undefined) return `${first} is typing…`
  return names.length === 2
    ? `${first} and ${second} are typing…`
    : `${first} and ${names.length - 1} others are typing…`
}
