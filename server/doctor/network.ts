import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Check, failed, ok } from './check.ts'
import { place, type Role } from './role.ts'
import { CONNECT_MS, openTcp } from './sockets.ts'

const LOOPBACK = /^(localhost|127\.|::1$)/i

export const dns: Check<Role> = {
  id: 'dns',
  needs: ['sentinel'],
  async run({ target: { host }, prefix }) {
    if (isIP(host) !== 0) return ok(`${host} is an address`)
    const late = sleep(CONNECT_MS, 'late' as const, { ref: false })
    const found = await Promise.race([lookup(host, { all: true }).catch(codeOf), late])
    if (found === 'late' || found === 'EAI_AGAIN') {
      const remedy =
        'look at /etc/resolv.conf, and at the network or the DNS policy of the container'
      return failed('the name server does not answer', remedy)
    }
    if (typeof found === 'string') {
      const remedy = `correct the host in ${prefix}_URL; the name of a container is known only in its own network`
      return failed(`nobody knows the host ${host} (${found})`, remedy)
    }
    const addresses = found.map(({ address }) => address).slice(0, 4)
    return ok(`${host} is ${addresses.join(', ')}`)
  },
}

export const tcp: Check<Role> = {
  id: 'tcp',
  needs: ['dns'],
  async run(role) {
    const { target, prefix } = role
    const began = performance.now()
    try {
      const socket = await openTcp(target)
      socket.destroy()
      return ok(`${place(role)} accepts connections (${(performance.now() - began).toFixed(1)} ms)`)
    } catch (error) {
      const code = codeOf(error)
      const inside = LOOPBACK.test(target.host)
        ? '; inside a container this host is the container itself'
        : ''
      if (code === 'ECONNREFUSED') {
        const remedy = `is Redis running, on this port, and listening there (redis.conf: bind, port)? Correct ${prefix}_URL if not${inside}`
        return failed(`nothing accepts connections at ${place(role)}`, remedy)
      }
      const remedy = `a firewall, security group or network policy keeps packets from ${place(role)}, or the address in ${prefix}_URL is wrong`
      const seen = code === 'ETIMEDOUT' ? 'does not answer' : `cannot be reached (${code})`
      return failed(`${place(role)} ${seen}`, remedy)
    }
  },
}

function codeOf(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  return code ?? name
}
