// The same application behind Roomwire: any number of instances, and `room:*` beside its own events.
import { createGateway, readConfig } from 'roomwire'

const MAX_LENGTH = 200

export async function startApplication(env: Record<string, string | undefined>) {
  const gateway = createGateway(readConfig(env).config)
  const { io } = gateway

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

  const { port } = await gateway.start()
  return { port, stop: () => gateway.stop() }
}
