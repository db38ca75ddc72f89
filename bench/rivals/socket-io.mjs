// Socket.IO with one of its Redis adapters, set up as the adapter's README shows it. Plain JavaScript
// and plain node, because a loader in the process would be part of what is measured.
import { createServer } from 'node:http'
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'

const { HOST, PORT, REDIS_URL, ADAPTER, CATCH_ERRORS, RECOVERY, HANDLERS } = process.env

const pubClient = createClient({ url: REDIS_URL })
const subClient = pubClient.duplicate()

let escaped = 0
if (CATCH_ERRORS === 'true') {
  const caught = () => {
    escaped += 1
  }
  process.on('unhandledRejection', caught)
  pubClient.on('error', caught)
  subClient.on('error', caught)
}

await Promise.all([pubClient.connect(), subClient.connect()])

const adapters = {
  classic: () => createAdapter(pubClient, subClient),
  sharded: () => createShardedAdapter(pubClient, subClient),
  streams: () => createStreamsAdapter(pubClient),
}

const http = createServer((request, response) => {
  response.writeHead(request.url.startsWith('/health') ? 200 : 404).end()
})
const io = new Server(http, {
  adapter: adapters[ADAPTER](),
  ...(RECOVERY === 'true' && { connectionStateRecovery: {} }),
})

io.on('connection', (socket) => {
  if (HANDLERS === 'false') return
  socket.on('room:join', async ({ room }, reply) => {
    await socket.join(room)
    reply({ ok: true, room })
  })
  socket.on('room:send', ({ room, id, body }, reply) => {
    io.to(room).emit('room:message', { room, id, from: { id: socket.id }, body })
    reply({ ok: true, id })
  })
})

process.on('SIGTERM', () => {
  process.stdout.write(`errors caught: ${escaped}\n`)
  process.exit(0)
})
http.listen(Number(PORT), HOST, () => process.stdout.write('listening\n'))
