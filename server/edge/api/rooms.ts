import { z } from 'zod'
import type { Rooms } from '../../rooms/rooms.ts'
import type { Roster } from '../../rooms/roster.ts'
import { wirePosition } from '../wire.ts'
import { type Route, route } from './route.ts'
import { limitQuery, memberList, position, roomParams } from './schemas.ts'

/** Who is in a room, and its end. */
export function roomRoutes({ rooms, roster }: { rooms: Rooms; roster: Roster }): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/rooms/:room/members',
      summary: 'Who is in the room, over all instances; answers within a second.',
      scope: 'read',
      params: roomParams,
      query: z.object({ limit: limitQuery }),
      replies: { 200: { description: 'By `since`, ascending.', schema: memberList } },
      handle: async ({ params: { room }, query: { limit } }) => ({
        status: 200,
        body: await roster.members(room, limit),
      }),
    }),
    route({
      method: 'delete',
      path: '/api/rooms/:room',
      summary:
        'Forgets the messages of the room. It begins a new epoch; its members stay, and get room:reset.',
      scope: 'purge',
      params: roomParams,
      replies: {
        200: { description: 'The beginning of the new epoch.', schema: z.object({ position }) },
      },
      handle: async ({ params: { room } }) => ({
        status: 200,
        body: { position: wirePosition(await rooms.purge(room)) },
      }),
    }),
  ]
}
