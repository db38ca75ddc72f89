// An application on Socket.IO and Redis, as one finds it: people who have signed in, rooms, events of
// its own, an admin namespace, a route.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from '@socket.io/redis-adapter'
import express from 'express'
import { createClient } from 'redis'
import { Server, type Socket } from 'socket.io'
import { findUser } from './users.ts'

const MAX_LENGTH = 200

export async function startApplication(env: Record<string, string | undefined>) {
  const app = express()
  const http = createServer(app)
  const publisher = createClient({ url: env['REDIS_URL'] ?? '' })
  const subscriber = publisher.duplicate()
  await Promise.all([publisher.connect(), subscriber.connect()])
  const io = new Server(http, { adapter: createAdapter(publisher, subscriber) })

  async function signIn(socket: Socket, next: (error?: Error) => void) {
    const user = await findUser(socket.handshake.auth['ticket'])
    if (user === undefined) return next(new Error('sign in first'))
    socket.data.user = user
    next()
  }
  io.use(signIn)
  io.of('/admin').use(signIn).on('connection', admit)

  io.on('connection', (socket) => {
    const { user } = socket.data
    socket.on('chat:join', async (room: string, joined: () => void) => {
      await socket.join(room)
      joined()
    })
    socket.on('chat:say', (room: string, text: string, said: (error?: string) => void) => {
      if (text.length > MAX_LENGTH) return said('too long')
      io.to(room).emit('chat:said', { room, text: text.trim(), from: user.name })
      said()
    })
  })

  function admit(socket: Socket) {
    socket.on('count', async (answer: (count: number) => void) => {
      answer((await io.fetchSockets()).length)
    })
  }

  app.get('/rules', (_request, response) => void response.json({ maxLength: MAX_LENGTH }))

  http.listen(Number(env['PORT']), env['HOST'])
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  async function stop() {
    await io.close()
    await Promise.all([publisher.close(), subscriber.close()])
  }
  return { port, stop }
}
