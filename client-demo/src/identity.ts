import { createStored, isString } from './storage.ts'

/** Who we are: the session belongs to this tab and survives its reloads, the name to the browser. */
export interface Identity {
  readonly session: string
  /** Undefined until the visitor has said it. */
  readonly name: string | undefined
  rename(name: string): void
}

/** 128 random bits. `crypto.randomUUID` exists only on HTTPS and localhost; this works everywhere. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function createIdentity(): Identity {
  const sessions = createStored(() => sessionStorage, 'roomwire.session', isString)
  const names = createStored(() => localStorage, 'roomwire.name', isString)

  const session = sessions.read() ?? randomId()
  sessions.write(session)
  let name = names.read()

  return {
    session,
    get name() {
      return name
    },
    rename(next) {
      name = next
      names.write(next)
    },
  }
}
