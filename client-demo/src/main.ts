import { connect } from '../../client/connect.ts'
import { createIdentity } from './identity.ts'
import { createLink } from './link.ts'
import { createRooms } from './rooms.ts'
import { takeToken } from './token.ts'
import { createAnnouncer } from './view/announcer.ts'
import { createComposer } from './view/composer.ts'
import { createConnectionBar } from './view/connection-bar.ts'
import { createDrawer } from './view/drawer.ts'
import { createFigures } from './view/figures.ts'
import { createHistory } from './view/history.ts'
import { createNameDialog } from './view/name-dialog.ts'
import { coalesce } from './view/page.ts'
import { createRoomDrawer } from './view/room-drawer.ts'
import { createRoomHead } from './view/room-head.ts'
import { createRoomList } from './view/room-list.ts'
import { createSwitches } from './view/switches.ts'
import { createThemeSwitch } from './view/theme-switch.ts'

const meta = document.querySelector('meta[name="roomwire-socket-path"]')

const identity = createIdentity()
const token = takeToken()
const client = connect(location.origin, {
  path: meta?.getAttribute('content') || '/socket.io/',
  ...(token !== undefined && { token }),
  // Read before every connection: a new name needs a new connection, and nothing else.
  get name() {
    return identity.name ?? 'Visitor'
  },
})
const link = createLink(client)
const rooms = createRooms(client)

const active = () => rooms.active
const me = () => ({
  id: client.status.user?.id ?? '',
  name: client.status.user?.name ?? identity.name ?? '',
})

const nameDialog = createNameDialog({ identity, client, link, named: token !== undefined })
const composer = createComposer(rooms)
const views = [
  createConnectionBar(client, link, rooms),
  createRoomList(rooms),
  createRoomDrawer(rooms),
  createRoomHead({ active, client, link }),
  createHistory({ me, active, write: composer.write }),
  createAnnouncer({ me, active }),
  composer,
  createSwitches(client, link, rooms),
  createFigures(rooms),
  nameDialog,
]
createDrawer()
createThemeSwitch()

const render = coalesce(() => {
  for (const view of views) view.render()
})
client.on('state', render)
rooms.onChange(render)
render()
nameDialog.start()
