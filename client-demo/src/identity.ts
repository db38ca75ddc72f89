import { createStored, isString } from './storage.ts'

/** What others call us. It belongs to the browser; the session is the client's own affair. */
export interface Identity {
  /** Undefined until the visitor has said it. */
  readonly name: string | undefined
  rename(name: string): void
}

export function createIdentity(): Identity {
  const stored = createStored(() => localStorage, 'roomwire.name', isString)
  let name = stored.read()
  return {
    get name() {
      return name
    },
    rename(next) {
      name = next
      stored.write(next)
    },
  }
}
