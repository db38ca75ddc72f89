import type { Connection } from '../connection.ts'
import type { Identity } from '../identity.ts'
import { paintAvatar } from './avatar.ts'
import { find, setText } from './page.ts'

/** Asks for the name once; connects when there is one, and again when it changes. */
export function createNameDialog(
  identity: Identity,
  connection: Connection,
): { render(): void; start(): void } {
  const dialog = find('name-dialog', HTMLDialogElement)
  const form = find('name-form', HTMLFormElement)
  const name = find('name', HTMLInputElement)
  const myName = find('my-name', HTMLElement)
  const myAvatar = find('my-avatar', HTMLElement)

  const ask = () => {
    name.value = identity.name ?? ''
    dialog.showModal()
  }
  find('rename', HTMLButtonElement).addEventListener('click', ask)
  dialog.addEventListener('cancel', (event) => {
    if (identity.name === undefined) event.preventDefault()
  })
  form.addEventListener('submit', (event) => {
    const chosen = name.value.trim()
    if (chosen === '') {
      event.preventDefault()
      return
    }
    if (chosen === identity.name) return
    identity.rename(chosen)
    // The name travels in the handshake.
    connection.goOffline()
    connection.goOnline()
    find('text', HTMLTextAreaElement).focus()
  })

  return {
    render() {
      setText(myName, identity.name ?? '')
      paintAvatar(myAvatar, {
        id: connection.status.user?.id ?? identity.session,
        name: identity.name ?? '',
      })
    },
    start() {
      if (identity.name === undefined) ask()
      else connection.goOnline()
    },
  }
}
