import { X509Certificate } from 'node:crypto'
import { checkServerIdentity, type TLSSocket } from 'node:tls'
import { type Check, type Finding, failed, note, ok, warning } from './check.ts'
import { place, type Role } from './role.ts'
import { firstWords, firstWordsOverTls, openTcp, openTls, soundsLikeRedis } from './sockets.ts'

const DAY_MS = 86_400_000
/** Certificates that live for long should be renewed by then; short-lived ones in their last third. */
const SOON_MS = 14 * DAY_MS
/** What says nothing about who issued the certificate: `tls-expiry` tells. */
const ABOUT_TIME = /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/
const LOCAL = /^(localhost|127\.|::1$|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|[^.:]+$)/i

/** Both sides speak TLS or neither does; the certificate comes from an authority that is trusted. */
export const tls: Check<Role> = {
  id: 'tls',
  needs: ['tcp'],
  run: (role) => (role.target.tls === undefined ? withoutTls(role) : withTls(role)),
}

async function withoutTls({ target, prefix, learned }: Role): Promise<Finding> {
  const words = await firstWords(await openTcp(target))
  learned.greeting = words
  if (soundsLikeRedis(words)) {
    const seen = 'none'
    return LOCAL.test(target.host)
      ? ok(seen)
      : note(`${seen}: what is said, the password included, can be read on the way`)
  }
  if (words.name === 'silent' || !(await speaksTls(target))) return ok('none')
  return failed(
    `the server speaks TLS, ${prefix}_URL does not`,
    `write rediss:// in ${prefix}_URL (and ${prefix}_TLS_CA_FILE where its authority is private)`,
  )
}

async function speaksTls(target: Role['target']): Promise<boolean> {
  try {
    const socket = await openTls(target)
    socket.destroy()
    return true
  } catch (error) {
    // An alert is an answer in TLS, such as to a client without a certificate.
    return /ALERT/.test(String((error as NodeJS.ErrnoException).code))
  }
}

async function withTls(role: Role): Promise<Finding> {
  const { target, prefix, learned } = role
  let socket: TLSSocket
  try {
    socket = await openTls(target, target.tls)
  } catch (error) {
    const { code = 'closed' } = error as NodeJS.ErrnoException
    // Most often it takes the handshake for a command, and waits for the end of its line.
    if (soundsLikeRedis(await openTcp(target).then(firstWords))) {
      const remedy = `write redis:// in ${prefix}_URL, or give Redis a certificate (redis.conf: tls-port, tls-cert-file, tls-key-file)`
      return failed(`${prefix}_URL asks for TLS, the server does not speak it`, remedy)
    }
    if (/ALERT/.test(code) && target.tls?.cert === undefined) return wantsCertificate(prefix)
    return failed(`the handshake with ${place(role)} failed (${code})`, 'look at the log of Redis')
  }
  const { authorized } = socket
  const problem = String(socket.authorizationError ?? '')
  const certificate = socket.getPeerX509Certificate()
  const version = socket.getProtocol()
  if (certificate) learned.certificate = certificate.raw
  const words = await firstWordsOverTls(socket)
  learned.greeting = words
  if (words.name === 'closed' && target.tls?.cert === undefined) return wantsCertificate(prefix)
  if (words.name === 'closed') {
    const remedy = `is ${prefix}_TLS_CERT_FILE of the authority in redis.conf's tls-ca-cert-file?`
    return failed('the server closes the connection after the handshake', remedy)
  }
  if (authorized || ABOUT_TIME.test(problem)) return ok(String(version))
  const remedy =
    target.tls?.ca === undefined
      ? `put the PEM certificates of its authority into a file and set ${prefix}_TLS_CA_FILE`
      : `the file of ${prefix}_TLS_CA_FILE must hold the authority that issued it`
  const issuer = certificate?.issuer.replaceAll('\n', ', ')
  return failed(`the certificate is not trusted (${problem}; issued by ${issuer})`, remedy)
}

function wantsCertificate(prefix: string): Finding {
  const remedy = `set ${prefix}_TLS_CERT_FILE and ${prefix}_TLS_KEY_FILE, or tls-auth-clients no in redis.conf`
  return failed('the server closes the handshake: it asks clients for a certificate', remedy)
}

export const tlsName: Check<Role> = {
  id: 'tls-name',
  needs: ['tls'],
  run({ target, prefix, learned }) {
    if (target.tls === undefined || learned.certificate === undefined) return []
    const certificate = new X509Certificate(learned.certificate)
    const name = target.tls.serverName ?? target.host
    if (checkServerIdentity(name, certificate.toLegacyObject()) === undefined) {
      return ok(`the certificate is for ${name}`)
    }
    const names = certificate.subjectAltName ?? certificate.subject
    const remedy = `use one of its names in ${prefix}_URL, or set ${prefix}_TLS_SERVER_NAME to it`
    return failed(`the certificate is not for ${name} but for ${names}`, remedy)
  },
}

export const tlsExpiry: Check<Role> = {
  id: 'tls-expiry',
  needs: ['tls'],
  run({ target, prefix, learned, now }) {
    if (target.tls === undefined || learned.certificate === undefined) return []
    const own = target.tls.cert
    return [
      validity(learned.certificate, "the server's certificate", 'renew it on the server', now()),
      ...(own === undefined
        ? []
        : [validity(own, 'our certificate', `renew ${prefix}_TLS_CERT_FILE`, now())]),
    ]
  },
}

function validity(pem: Uint8Array | string, what: string, remedy: string, now: number): Finding {
  const { validFrom, validTo } = new X509Certificate(pem)
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  const count = Math.abs(Math.floor((to - now) / DAY_MS))
  const days = (more = '') => `${count}${more} ${count === 1 ? 'day' : 'days'}`
  if (now > to) return failed(`${what} expired ${days()} ago`, remedy)
  if (now < from) {
    return failed(`${what} is not valid before ${validFrom}`, 'is the clock of this machine right?')
  }
  const left = `${what} is valid for ${days(' more')}`
  return to - now < Math.min(SOON_MS, (to - from) / 3) ? warning(left, remedy) : ok(left)
}
