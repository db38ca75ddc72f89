import { deliveriesText } from '../plain-words.ts'
import type { Rooms } from '../rooms.ts'
import { find, setText } from './page.ts'

/** The numbers of the active room, for those who want to see that nothing was lost or repeated. */
export function createFigures(rooms: Rooms): { render(): void } {
  const figures = {
    epoch: find('figure-epoch', HTMLElement),
    offset: find('figure-offset', HTMLElement),
    waiting: find('figure-waiting', HTMLElement),
    deliveries: find('figure-deliveries', HTMLElement),
  }

  return {
    render() {
      const open = rooms.active
      const waiting = open?.room.outgoing.filter(({ status }) => /queued|sending/.test(status.kind))
      setText(figures.epoch, open?.room.position?.epoch ?? '–')
      setText(figures.offset, String(open?.room.position?.offset ?? '–'))
      setText(figures.waiting, String(waiting?.length ?? 0))
      setText(figures.deliveries, open?.room.position ? deliveriesText(open.deliveries) : '–')
    },
  }
}
