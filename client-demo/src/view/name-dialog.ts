import type { Client } from '../../../client/connect.ts'
import type { Identity } from '../identity.ts'
import type { Link } from '../link.ts'
import { paintAvatar } from './avatar.ts'
import { find, setText } from './page.ts'

/** Asks for the name once; connects when there is one, and again when it changes. */
export function createNameDialog(
  identity: Identity,
  client: Client,
  link: Link,
): { render(): void; start(): void } {
  const dialog = find('name-dialog', HTMLDialogElement)
  const form = find('name-form', HTMLFormElement)
  const name = find('name', HTMLInputElement)
  const myName = find('my-name', HTMLElement)
  const myAvatar = find('my-avatar', HTMLElement)

  const ask = () => {
    name.value = identity.name ?? ''
    dialog.showModal()
    name.select()
  }
  find('rename', HTMLButtonElement).addEventListener('click', ask)
  dialog.addEventListener('cancel', (event) => {
    if (identity.name === undefined) event.preventDefault()
  })
  form.addEventListener('submit', (event) => {
    const chosen = name.value.trim()
    if (chosen === '') return event.preventDefault()
    if (chosen === identity.name) return
    const isFirst = identity.name === undefined
    identity.rename(chosen)
    if (isFirst) client.resume()
    else link.reintroduce()
    find('text', HTMLTextAreaElement).focus()
  })

  return {
    render() {
      setText(myName, identity.name ?? '')
      paintAvatar(myAvatar, { id: client.status.user?.id ?? '', name: identity.name ?? '' })
    },
    start() {
      if (identity.name !== undefined) return
      client.pause()
      ask()
    },
  }
}
