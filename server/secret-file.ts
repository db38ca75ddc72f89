import { readFile } from 'node:fs/promises'

/**
 * A file that holds a secret and may be replaced while the process runs: written anew, renamed over,
 * or behind a symbolic link that is turned (Docker, Kubernetes). It is read about once a second,
 * because none of those is sure to be announced: a mount of another machine announces nothing, and a
 * link's target changes without the link.
 */
export interface SecretFile {
  /** Reads it now, and takes what is there at its word. Never rejects. */
  reread(): Promise<void>
  close(): void
}

export interface SecretFileListener {
  /** It holds another secret than before. */
  changed(secret: string): void
  /** It cannot be read, or holds no secret; what it held before still counts. Told once. */
  unusable(reason: string): void
  /** It can be read again, and holds what it held before. */
  usable(): void
}

export interface SecretFileOptions extends SecretFileListener {
  path: string
  /** What it held when the process read its settings; undefined: it was not read, whatever it holds is new. */
  initial: string | undefined
  /** The secret in these bytes; undefined where there is none. */
  parse(content: Uint8Array): string | undefined
}

type Reading = { secret: string } | { problem: string }

const POLL_MS = 1000
/** A writer that empties the file before it fills it is done by then; half a secret is nobody's. */
const SETTLE_MS = 100

export function watchSecretFile(options: SecretFileOptions): SecretFile {
  let held = options.initial
  let known: Reading = held === undefined ? { problem: 'not read yet' } : { secret: held }
  let seen: Reading = known
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let turns = Promise.resolve()

  async function read(): Promise<Reading> {
    try {
      const secret = options.parse(await readFile(options.path))
      return secret === undefined ? { problem: 'empty, or not UTF-8' } : { secret }
    } catch (error) {
      // The code alone: a path may be a secret in the wrong place.
      return { problem: (error as NodeJS.ErrnoException).code ?? 'unreadable' }
    }
  }

  /** @param trusting a change counts without having been seen twice */
  async function look(trusting: boolean): Promise<void> {
    const reading = await read()
    const settled = trusting || same(reading, seen)
    seen = reading
    if (closed) return
    const news = !same(reading, known)
    if (news && settled) tell(reading)
    schedule(news && !settled ? SETTLE_MS : POLL_MS)
  }

  function tell(reading: Reading): void {
    known = reading
    if ('problem' in reading) options.unusable(reading.problem)
    else if (reading.secret === held) options.usable()
    else {
      held = reading.secret
      options.changed(held)
    }
  }

  function inTurn(trusting: boolean): Promise<void> {
    clearTimeout(timer)
    turns = turns.then(() => look(trusting))
    return turns
  }

  function schedule(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => void inTurn(false), ms).unref()
  }

  schedule(POLL_MS)
  return {
    reread: () => inTurn(true),
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}

/** What such a file holds now. */
export interface HeldSecret {
  current(): string
  stop(): void
}

export interface HeldSecretOptions extends Pick<SecretFileOptions, 'path' | 'parse'> {
  initial: string
  changed(): void
  unusable(reason: string): void
}

export function holdSecret(options: HeldSecretOptions): HeldSecret {
  let current = options.initial
  const file = watchSecretFile({
    ...options,
    changed(next) {
      current = next
      options.changed()
    },
    usable: () => undefined,
  })
  return { current: () => current, stop: file.close }
}

function same(one: Reading, other: Reading): boolean {
  return 'secret' in one
    ? 'secret' in other && one.secret === other.secret
    : 'problem' in other && one.problem === other.problem
}
