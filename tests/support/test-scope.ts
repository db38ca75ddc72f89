import { afterAll, onTestFinished } from 'vitest'
import { createScope, type Scope } from './scope.ts'

/**
 * A scope that vitest closes: after the test when called inside one, after the suite when called at
 * the top of a `describe` or of a file. Call it there, not inside a hook.
 */
export function testScope(): Scope {
  const scope = createScope()
  try {
    onTestFinished(() => scope.close())
  } catch {
    // No test is running: we are being collected.
    afterAll(() => scope.close())
  }
  return scope
}
