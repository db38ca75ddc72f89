// The same application behind Roomwire, with `room:*` beside its own events.
import { createGateway, GatewayError, readConfig } from 'roomwire'
import type { Socket } from 'socket.io'
import { findUser } from './users.ts'

const MAX_LENGTH = 200

export async function startApplication(env: Record<string, string | undefined>) {
  const gateway = createGateway(readConfig(env).config, {
    identify: signIn,
    namespaces: { '/admin': admit },
  })
  const { app, io } = gateway

  async function signIn({ auth }: Socket['handshake']) {
    const user = await findUser(auth['ticket'])
    if (user === undefined) throw new GatewayError('UNAUTHORIZED', 'sign in first')
    return user
  }

  io.on('connection', (socket) => {
    const { user } = socket.data.identity
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

  const { port } = await gateway.start()
  return { port, stop: () => gateway.stop() }
}
