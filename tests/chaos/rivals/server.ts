// A stock Socket.IO server as the documentation of its adapter sets it up, speaking just enough of our
// verbs for the same clients to drive it. Errors are caught, so that it survives what would end it.
import { createServer } from 'node:http'
import { createAdapter as createPubSubAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { createClient } from 'redis'
import { Server, type ServerOptions, type Socket } from 'socket.io'

type Reply = (reply: object) => void

const { env } = process
const [contender] = process.argv.slice(2)
const seconds = (name: string): number => Number(env[name]) * 1000
const position = { epoch: '', offset: 0 }

// Not a line each: Redis' absence would fill the log.
let escaped = 0
process.on('unhandledRejection', () => {
  escaped += 1
})

const clients = await Promise.all(
  ['first', 'second'].map(async () => {
    const [, host, port] = /^redis:\/\/(.+):(\d+)$/.exec(env['WEBSOCKET_REDIS_URL'] ?? '') ?? []
    const client = createClient({
      socket: { host: host ?? '', port: Number(port) },
      ...(env['WEBSOCKET_REDIS_PASSWORD'] && { password: env['WEBSOCKET_REDIS_PASSWORD'] }),
    })
    client.on('error', () => {
      escaped += 1
    })
    await client.connect()
    return client
  }),
)
const [first, second] = clients

const options: Partial<ServerOptions> = {
  pingInterval: seconds('WEBSOCKET_SERVER_PING_INTERVAL'),
  pingTimeout: seconds('WEBSOCKET_SERVER_PING_TIMEOUT'),
}
if (contender === 'redis-adapter') {
  options.adapter = createPubSubAdapter(first, second)
} else if (contender === 'redis-streams-adapter') {
  options.adapter = createStreamsAdapter(first)
  options.connectionStateRecovery = { maxDisconnectionDuration: 2 * 60 * 1000 }
} else throw new Error(`unknown contender ${contender}`)

const http = createServer((request, response) => {
  response.writeHead(request.url?.startsWith('/health') ? 200 : 404).end()
})
const io = new Server(http, options)

io.on('connection', (socket: Socket) => {
  socket.on('gateway:hello', (_: unknown, reply: Reply) => {
    reply({ ok: true, instance: env['INSTANCE_ID'] })
  })
  socket.on('room:join', async ({ room }: { room: string }, reply: Reply) => {
    await socket.join(room)
    reply({ ok: true, room, position, recovered: false, messages: [] })
  })
  socket.on('room:leave', async ({ room }: { room: string }, reply: Reply) => {
    await socket.leave(room)
    reply({ ok: true })
  })
  socket.on('room:send', (sent: { room: string; id: string; body: unknown }, reply: Reply) => {
    const { room, id, body } = sent
    const at = Date.now()
    io.to(room).emit('room:message', { ...position, room, id, body, at, from: { id: '' } })
    reply({ ok: true, id, position, duplicate: false, at })
  })
})

process.on('SIGTERM', () => {
  process.stdout.write(`errors caught: ${escaped}\n`)
  process.exit(0)
})
http.listen(Number(env['PORT']), env['HOST'], () => process.stdout.write('listening\n'))
