/** Owns what a test or a run starts, and ends it in reverse order. */
export interface Scope extends AsyncDisposable {
  /** Registers a cleanup; run at once when the scope is already closed, so that nothing is left behind. */
  defer(cleanup: () => unknown): void
  /** Runs every cleanup, the last registered first, even when some fail; throws what failed. */
  close(): Promise<void>
}

export function createScope(): Scope {
  const cleanups: (() => unknown)[] = []
  let closed = false

  async function close(): Promise<void> {
    closed = true
    const errors: unknown[] = []
    for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop()) {
      try {
        await cleanup()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, 'several cleanups failed')
  }

  return {
    defer(cleanup) {
      if (!closed) {
        cleanups.push(cleanup)
        return
      }
      void (async () => cleanup())().catch((error: unknown) => {
        console.error('a cleanup registered after its scope was closed failed:', error)
      })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
