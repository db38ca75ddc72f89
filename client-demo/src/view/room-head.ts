import type { RoomSession } from '../room-session.ts'
import { find, setText } from './page.ts'

/** The active room's name and state, and the way out when the gateway refuses it. */
export function createRoomHead(active: () => RoomSession | undefined): { render(): void } {
  const name = find('room-name', HTMLElement)
  const facts = find('room-facts', HTMLElement)
  const refusal = find('refusal', HTMLElement)
  const why = find('refusal-why', HTMLElement)
  find('rejoin', HTMLButtonElement).addEventListener('click', () => active()?.rejoin())

  return {
    render() {
      const session = active()
      setText(name, session?.room ?? 'No room')
      setText(facts, session ? factsOf(session) : 'Join one to read and write.')
      const refused = session?.state.kind === 'refused' ? session.state.why : undefined
      refusal.hidden = refused === undefined
      setText(why, refused === undefined ? '' : `This room cannot be joined: ${refused}`)
    },
  }
}

function factsOf({ state, position }: RoomSession): string {
  if (state.kind === 'joining') return 'Joining…'
  if (state.kind === 'refused' || !position) return ''
  return `${position.offset} ${position.offset === 1 ? 'message' : 'messages'} so far`
}
