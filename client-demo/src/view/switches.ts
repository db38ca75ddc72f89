import type { Client } from '../../../client/connect.ts'
import type { RoomMessage } from '../../../server/protocol.ts'
import type { Link } from '../link.ts'
import type { OpenRoom } from '../open-room.ts'
import { refusalText } from '../plain-words.ts'
import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

const BURST = 100
/** Well within the gateway's dedup window: what is older would be stored again. */
const REPEATABLE_MS = 5 * 60_000

/** Switches that make trouble on purpose. */
export function createSwitches(client: Client, link: Link, rooms: Rooms): { render(): void } {
  const offline = find('offline', HTMLButtonElement)
  const offlineMeaning = find('offline-meaning', HTMLElement)
  const kill = find('kill', HTMLButtonElement)
  const repeat = find('repeat', HTMLButtonElement)
  const burst = find('burst', HTMLButtonElement)
  const repeatResult = find('repeat-result', HTMLElement)
  const burstResult = find('burst-result', HTMLElement)

  function lastOwn(open: OpenRoom): RoomMessage | undefined {
    const me = client.status.user?.id
    const message = open.room.messages.findLast(({ from }) => from.id === me)
    return message && Date.now() - message.at < REPEATABLE_MS ? message : undefined
  }

  /** The same id again, as a client does that never heard the answer. */
  async function sendAgain(open: OpenRoom): Promise<void> {
    const message = lastOwn(open)
    if (!message) return
    setText(repeatResult, 'Sent again …')
    try {
      const { duplicate, position } = await open.room.send(message.body, { id: message.id })
      setText(
        repeatResult,
        duplicate
          ? `Answered as a repeat: it is stored once, as #${position.offset}.`
          : `It was not known any more, and is stored as #${position.offset}.`,
      )
    } catch (thrown) {
      setText(repeatResult, `Refused: ${refusalText(thrown as Parameters<typeof refusalText>[0])}`)
    }
  }

  async function sendMany(open: OpenRoom): Promise<void> {
    setText(burstResult, `${BURST} on their way …`)
    const sendings = Array.from({ length: BURST }, (_, index) =>
      open.room.send({ text: `${index + 1} of ${BURST}` }),
    )
    const settled = await Promise.allSettled(sendings)
    const offsets = settled.flatMap((one) =>
      one.status === 'fulfilled' ? [one.value.position.offset] : [],
    )
    const places = `from #${Math.min(...offsets)} to #${Math.max(...offsets)}`
    setText(
      burstResult,
      `${offsets.length} of ${BURST} stored${offsets.length ? `, ${places}` : ''}.`,
    )
  }

  const inRoom = (act: (open: OpenRoom) => Promise<void>) => () => {
    if (rooms.active) void act(rooms.active)
  }
  offline.addEventListener('click', () => (link.paused ? link.goOnline() : link.goOffline()))
  kill.addEventListener('click', link.kill)
  repeat.addEventListener('click', inRoom(sendAgain))
  burst.addEventListener('click', inRoom(sendMany))

  return {
    render() {
      const open = rooms.active
      setText(offline, link.paused ? 'Go online' : 'Go offline')
      setText(
        offlineMeaning,
        link.paused
          ? 'Connects again, fetches what was missed and sends what waits.'
          : 'Closes the connection. What you write meanwhile waits here and is sent afterwards.',
      )
      kill.disabled = client.status.transport === undefined
      repeat.disabled = !open || !lastOwn(open)
      burst.disabled = !open
    },
  }
}
