// The floor: ws and Redis publish/subscribe with nothing around them. It answers what a Socket.IO
// client says just well enough for the same load: no heartbeats, no log, no error handling.
import { createServer } from 'node:http'
import { createClient } from 'redis'
import { WebSocketServer } from 'ws'

const { HOST, PORT, REDIS_URL } = process.env
const publisher = createClient({ url: REDIS_URL })
const subscriber = publisher.duplicate()
await Promise.all([publisher.connect(), subscriber.connect()])

/** Sockets by room. */
const rooms = new Map()

async function join(socket, room) {
  let members = rooms.get(room)
  if (members === undefined) {
    members = new Set()
    rooms.set(room, members)
    await subscriber.subscribe(room, (packet) => {
      for (const member of members) member.send(packet)
    })
  }
  members.add(socket)
  socket.once('close', () => members.delete(socket))
}

const http = createServer((_request, response) => response.writeHead(200).end())
const server = new WebSocketServer({ server: http, path: '/socket.io/' })
server.on('connection', (socket) => {
  socket.send('0{}')
  socket.on('message', async (data) => {
    const packet = data.toString()
    if (packet.startsWith('40')) return socket.send('40{}')
    const [, id, json] = /^42(\d+)(.*)$/.exec(packet) ?? []
    if (id === undefined) return
    const [event, request] = JSON.parse(json)
    if (event === 'room:join') await join(socket, request.room)
    else await publisher.publish(request.room, `42["room:message",${JSON.stringify(request)}]`)
    socket.send(`43${id}[{"ok":true}]`)
  })
})
http.listen(Number(PORT), HOST, () => process.stdout.write('listening\n'))
