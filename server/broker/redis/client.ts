import { connect } from 'node:net'
import { createClient, ErrorReply } from 'redis'
import { classify, RedisFailure, redirectionIn } from './failure.ts'

export interface Address {
  host: string
  port: number
}

/** Where and as whom to connect; a part of `RedisTarget`, so never a URL. */
export interface Endpoint extends Address {
  database: number
  username: string | undefined
  password: string | undefined
  /** While the password changes: what to use where it is refused, and whom to tell. */
  former?: { password: string; needed(): void } | undefined
  tls:
    | {
        ca: string | undefined
        cert: string | undefined
        key: string | undefined
        serverName: string | undefined
      }
    | undefined
}

export type CommandArguments = readonly (string | Buffer)[]

/** TCP, TLS and authentication together. */
export const CONNECT_DEADLINE_MS = 4000
const PLAIN_DEADLINE_MS = 1000

export type Client = ReturnType<typeof createClient>

/** A client for one attempt: it never reconnects, and ends with the signal. */
export function newClient(endpoint: Endpoint, signal: AbortSignal): Client {
  const { host, port, tls } = endpoint
  const common = {
    // The client itself ends only a socket that is connected, TLS included.
    signal,
    connectTimeout: CONNECT_DEADLINE_MS,
    // Each attempt is a client of its own, so that attempts can be bounded, classified and given new
    // credentials, and subscriptions restored before the connection counts as up.
    reconnectStrategy: (_retries: number, cause: Error) => cause,
  }
  template ??= createTemplate()
  return template.duplicate({
    socket:
      tls === undefined
        ? { host, port, ...common }
        : {
            host,
            port,
            ...common,
            tls: true as const,
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
          },
    ...(endpoint.username === undefined ? {} : { username: endpoint.username }),
    ...(endpoint.password === undefined ? {} : { password: endpoint.password }),
    database: endpoint.database,
  })
}

/**
 * Never connected. For each new set of options node-redis makes a class of its own with all commands,
 * 3 to 7 ms with the garbage; copies of one client share one. An instance whose cluster is away tries
 * some 50 times a second.
 */
let template: Client | undefined

function createTemplate(): Client {
  return createClient({
    disableOfflineQueue: true,
    // Both would need rights that a least-privilege user does not have.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
  })
}

/** Ends a client; whatever it still has to say is known. */
export function discard(client: Client): void {
  client.removeAllListeners()
  client.on('error', () => undefined)
  client.destroy()
}

/** Tries `attempt` with the newest password, then with the one that was accepted before (a rotation). */
export async function withEitherPassword<T>(
  endpoint: Endpoint,
  attempt: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  try {
    return await attempt(endpoint)
  } catch (error) {
    const { former, ...rest } = endpoint
    if (former === undefined || toFailure(error, false).kind !== 'wrongpass') throw error
    former.needed()
    return attempt({ ...rest, password: former.password })
  }
}

/**
 * One command over a connection of its own, for what is asked seldom and of whoever answers.
 *
 * @throws RedisFailure
 */
export function ask(
  endpoint: Endpoint,
  args: CommandArguments,
  deadlineMs: number,
): Promise<unknown> {
  return withEitherPassword(endpoint, (as) => askOnce(as, args, deadlineMs))
}

async function askOnce(
  endpoint: Endpoint,
  args: CommandArguments,
  deadlineMs: number,
): Promise<unknown> {
  const deadline = AbortSignal.timeout(deadlineMs)
  const client = newClient(endpoint, deadline)
  const failed = new Promise<never>((_resolve, reject) => {
    client.on('error', reject)
    deadline.addEventListener('abort', () => reject(new RedisFailure('timeout')))
  })
  const reply = client.connect().then(() => client.sendCommand([...args]))
  try {
    return await Promise.race([reply, failed])
  } catch (error) {
    throw toFailure(error, endpoint.tls !== undefined)
  } finally {
    reply.catch(() => undefined) // of a client that was given up
    discard(client)
  }
}

/**
 * Whether a Redis without TLS is there: most often it does not refuse a TLS handshake, but takes it
 * for a command and waits for the end of its line.
 */
export function speaksPlainText({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => socket.write('PING\r\n')).unref()
    socket.setTimeout(PLAIN_DEADLINE_MS, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(false))
    socket.once('data', (reply) => {
      resolve(/^[+-]/.test(reply.toString()))
      socket.destroy()
    })
  })
}

/** Replies mean the command was refused; everything else leaves open whether it was executed. */
export function toFailure(error: unknown, overTls: boolean, sent = false): RedisFailure {
  if (error instanceof RedisFailure) return error
  const { kind, ...about } = classify(error, overTls)
  const refused = error instanceof ErrorReply
  return new RedisFailure(kind, {
    outcomeUnknown: sent && !refused,
    redirection: refused ? redirectionIn(error.message) : undefined,
    ...about,
  })
}
