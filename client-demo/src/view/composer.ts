import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

const TALLEST_PX = 160

/** Where messages are written, and who else is writing. Enter sends, Shift and Enter breaks the line. */
export function createComposer(rooms: Rooms): { render(): void; write(text: string): void } {
  const form = find('composer', HTMLFormElement)
  const text = find('text', HTMLTextAreaElement)
  const typing = find('typing', HTMLElement)
  const drafts = new Map<string, string>()
  let name: string | undefined

  const announce = (typing: boolean) => rooms.active?.room.typing(typing)
  const grow = () => {
    text.style.height = 'auto'
    text.style.height = `${Math.min(text.scrollHeight, TALLEST_PX)}px`
  }

  text.addEventListener('input', () => {
    grow()
    announce(text.value.trim() !== '')
  })
  text.addEventListener('blur', () => announce(false))
  text.addEventListener('keydown', (event) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    form.requestSubmit()
  })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const open = rooms.active
    const value = text.value.trim()
    if (!open || value === '') return
    announce(false)
    text.value = ''
    grow()
    void open.room.send({ text: value }) // what becomes of it shows in its row
    text.focus()
  })
  find('skip', HTMLAnchorElement).addEventListener('click', (event) => {
    // The fragment names the room; a jump must not change it.
    event.preventDefault()
    text.focus()
  })

  return {
    render() {
      const open = rooms.active
      if (open?.name !== name) {
        if (name !== undefined) drafts.set(name, text.value)
        name = open?.name
        text.value = drafts.get(name ?? '') ?? ''
        text.placeholder = open ? `Message ${open.name}` : 'Join a room to write'
        grow()
      }
      text.disabled = !open
      setText(typing, typingText(open?.typing.names ?? []))
    },
    write(value) {
      text.value = text.value === '' ? value : `${value}\n${text.value}`
      grow()
      text.focus()
    },
  }
}

function typingText(names: readonly string[]): string {
  const [first, second] = names
  if (first === undefined) return ''
  if (second === undefined) return `${first} is typing…`
  return names.length === 2
    ? `${first} and ${second} are typing…`
    : `${first} and ${names.length - 1} others are typing…`
}
