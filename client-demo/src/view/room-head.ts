import type { Client, Members, Status } from '../../../client/connect.ts'
import type { Link } from '../link.ts'
import type { OpenRoom } from '../open-room.ts'
import { refusalText } from '../plain-words.ts'
import { displayName, paintAvatar } from './avatar.ts'
import { find, setText } from './page.ts'

const FACES = 4

/** The active room's name, state and people, and the way out when the gateway refuses it. */
export function createRoomHead(deps: {
  active: () => OpenRoom | undefined
  client: Client
  link: Link
}): { render(): void } {
  const { active, client, link } = deps
  const name = find('room-name', HTMLElement)
  const facts = find('room-facts', HTMLElement)
  const members = find('members', HTMLElement)
  const refusal = find('refusal', HTMLElement)
  const why = find('refusal-why', HTMLElement)
  let painted: Members | undefined
  find('rejoin', HTMLButtonElement).addEventListener('click', () => active()?.room.rejoin())

  /** Hidden where the gateway does not say who is there. */
  function renderMembers(of: Members | undefined): void {
    members.hidden = of === undefined
    if (of === undefined || of === painted) return
    painted = of
    const faces = of.members.slice(0, FACES).map(({ user }) => {
      const face = document.createElement('span')
      face.className = 'avatar'
      face.ariaHidden = 'true'
      paintAvatar(face, user)
      return face
    })
    const count = document.createElement('span')
    count.textContent = `${of.count} here`
    members.replaceChildren(...faces, count)
    members.title = of.members.map(({ user }) => displayName(user)).join(', ')
  }

  return {
    render() {
      const open = active()
      setText(name, open?.name ?? 'No room')
      name.title = open?.name ?? ''
      setText(facts, link.held ? 'Say your name to come in.' : factsOf(open, client.status))
      // Who is there is not known any more once the connection is lost.
      renderMembers(client.status.transport ? open?.roster.members : undefined)
      const refused = open?.room.state === 'refused' ? open.room.error : undefined
      refusal.hidden = refused === undefined
      setText(why, refused ? `This room cannot be joined: ${refusalText(refused)}.` : '')
    },
  }
}

function factsOf(open: OpenRoom | undefined, { state }: Status): string {
  if (!open) return 'Join one to read and write.'
  const { position } = open.room
  if (open.room.state === 'refused') return ''
  if (!position) return state === 'offline' ? 'Not joined yet' : 'Joining…'
  return `${position.offset} ${position.offset === 1 ? 'message' : 'messages'} so far`
}
