import type { Client } from '../../../client/connect.ts'
import type { Identity } from '../identity.ts'
import type { Link } from '../link.ts'
import { paintAvatar } from './avatar.ts'
import { find, setText } from './page.ts'

/**
 * Asks for the name once; connects when there is one, and again when it changes.
 *
 * @param deps.named a token says the name: there is nothing to ask
 */
export function createNameDialog(deps: {
  identity: Identity
  client: Client
  link: Link
  named: boolean
}): { render(): void; start(): void } {
  const { identity, client, link, named } = deps
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
  const rename = find('rename', HTMLButtonElement)
  rename.hidden = named
  rename.addEventListener('click', ask)
  dialog.addEventListener('cancel', (event) => {
    if (identity.name === undefined) event.preventDefault()
  })
  // A second Escape closes it all the same.
  dialog.addEventListener('close', () => {
    if (identity.name === undefined) ask()
  })
  form.addEventListener('submit', (event) => {
    const chosen = name.value.trim()
    if (chosen === '') return event.preventDefault()
    if (chosen === identity.name) return
    const isFirst = identity.name === undefined
    identity.rename(chosen)
    if (isFirst) link.release()
    else link.reintroduce()
    find('text', HTMLTextAreaElement).focus()
  })

  return {
    render() {
      const { user } = client.status
      const name = (named ? user?.name : identity.name) ?? ''
      setText(myName, name)
      paintAvatar(myAvatar, { id: user?.id ?? '', name })
    },
    start() {
      if (named || identity.name !== undefined) return
      link.hold()
      ask()
    },
  }
}
