// An application on Socket.IO, as one finds it: rooms of people, an event of its own, an admin namespace.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const MAX_LENGTH = 200

export async function startApplication(port: number) {
  const http = createServer()
  const io = new Server(http)

  io.on('connection', (socket) => {
    socket.on('chat:join', async (room: string, joined: () => void) => {
      await socket.join(room)
      joined()
    })
    socket.on('chat:say', (room: string, text: string, said: (error?: string) => void) => {
      if (text.length > MAX_LENGTH) return said('too long')
      io.to(room).emit('chat:said', { room, text: text.trim() })
      said()
    })
    socket.on('time', (answer: (at: number) => void) => answer(Date.now()))
  })

  io.of('/admin').on('connection', (socket) => {
    socket.on('count', (answer: (count: number) => void) => answer(io.engine.clientsCount))
  })

  http.listen(port, '127.0.0.1')
  await once(http, 'listening')
  return { stop: () => io.close() }
}
