import { createConnection } from './connection.ts'
import { createIdentity } from './identity.ts'
import { createOutbox } from './outbox.ts'
import { createRooms } from './rooms.ts'
import { createComposer } from './view/composer.ts'
import { createConnectionBar } from './view/connection-bar.ts'
import { createDrawer } from './view/drawer.ts'
import { createHistory } from './view/history.ts'
import { textOf } from './view/message-row.ts'
import { createNameDialog } from './view/name-dialog.ts'
import { coalesce } from './view/page.ts'
import { createRoomHead } from './view/room-head.ts'
import { createRoomList } from './view/room-list.ts'

const meta = document.querySelector('meta[name="roomwire-socket-path"]')

const identity = createIdentity()
const connection = createConnection(identity, meta?.getAttribute('content') || '/socket.io/')
const outbox = createOutbox(connection)
const rooms = createRooms({ connection, outbox })

const active = () => rooms.active
const me = () => ({
  id: connection.status.user?.id ?? '',
  name: connection.status.user?.name ?? identity.name ?? '',
})

const nameDialog = createNameDialog(identity, connection)
const composer = createComposer(rooms, outbox)
const views = [
  createConnectionBar(connection, rooms),
  createRoomList(rooms),
  createRoomHead(active),
  createHistory({
    me,
    active,
    edit(entry) {
      if (entry.id !== undefined) outbox.discard(entry.id)
      composer.write(textOf(entry.body) ?? JSON.stringify(entry.body))
    },
  }),
  composer,
  createDrawer(connection, outbox, rooms),
  nameDialog,
]

const render = coalesce(() => {
  for (const view of views) view.render()
})
connection.onStatus(render)
outbox.onChange(render)
rooms.onChange(render)
render()
nameDialog.start()
