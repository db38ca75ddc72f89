import { type Check, type Finding, failed, ok } from './check.ts'
import { place, type Role } from './role.ts'
import type { FirstWords } from './sockets.ts'

/** That what answers is a Redis, and lets us ask. */
export const answer: Check<Role> = {
  id: 'answer',
  needs: ['tls'],
  run(role) {
    const greeting: FirstWords = role.learned.greeting ?? { name: 'silent' }
    if (greeting.name === 'silent') {
      const remedy = 'it is stopped, or busy with a slow command: redis-cli --latency, SLOWLOG GET'
      return failed(`${place(role)} accepts connections, but says nothing`, remedy)
    }
    if (greeting.name === 'closed') {
      const remedy =
        'a managed Redis may have a list of allowed addresses, a proxy or tunnel before it no way on; see its log'
      return failed(`${place(role)} closes the connection without a word`, remedy)
    }
    return words(greeting.text, role)
  },
}

function words(text: string, { prefix }: Role): Finding {
  if (text.startsWith('-DENIED')) {
    const remedy = 'set requirepass or an ACL file in redis.conf (or protected-mode no)'
    return failed('Redis is in protected mode and only lets its own machine in', remedy)
  }
  if (text.startsWith('-ERR max number of clients')) {
    const remedy = 'raise maxclients in redis.conf, or find who holds connections: CLIENT LIST'
    return failed('Redis has no connection left (maxclients)', remedy)
  }
  if (/^(\+PONG|-[A-Z]+ )/.test(text)) return ok('Redis')
  const what = text.startsWith('HTTP') ? 'an HTTP server' : 'something else'
  return failed(`${what} answers, not Redis`, `correct the port in ${prefix}_URL`)
}
