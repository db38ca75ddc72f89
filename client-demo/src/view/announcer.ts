import type { Sender } from '../../../server/protocol.ts'
import type { OpenRoom } from '../open-room.ts'
import { recoveryText } from '../plain-words.ts'
import { displayName } from './avatar.ts'
import { textOf } from './message-row.ts'
import { find } from './page.ts'

/** More than these at once are only counted. */
const READ_OUT = 3
const LINES_KEPT = 20

/**
 * What a screen reader says of the active room: what others write, and what a return brought back.
 * The history itself is silent: its rows come and go with scrolling.
 */
export function createAnnouncer(deps: { me: () => Sender; active: () => OpenRoom | undefined }): {
  render(): void
} {
  const log = find('announcer', HTMLElement)
  let room: OpenRoom | undefined
  let heard: number | undefined
  let recovery: OpenRoom['recovery']

  const isMe = ({ id }: Sender) => id === deps.me().id

  function say(text: string): void {
    const line = document.createElement('p')
    line.textContent = text
    log.append(line)
    while (log.childElementCount > LINES_KEPT) log.firstElementChild?.remove()
  }

  return {
    render() {
      const open = deps.active()
      const last = open?.room.position?.offset
      const isReturn = open?.recovery !== undefined && open.recovery !== recovery
      // What was there when the room was opened is not news.
      if (open && open === room && isReturn) say(recoveryText(open.recovery))
      else if (open && open === room && heard !== undefined && last !== undefined && last > heard) {
        const news = open.room.messages.slice(heard - last).filter(({ from }) => !isMe(from))
        if (news.length > READ_OUT) say(`${news.length} new messages`)
        else for (const { from, body } of news) say(`${displayName(from)}: ${spoken(body)}`)
      }
      room = open
      recovery = open?.recovery
      heard = last
    },
  }
}

const spoken = (body: unknown) => textOf(body) ?? 'data'
