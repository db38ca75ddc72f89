import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Scope } from '../../tests/support/scope.ts'
import type { LoadApi } from './api.ts'
import type { Call } from './worker.ts'

/** A process that makes load, so that whoever conducts the measurement does not disturb it. */
export interface Load extends LoadApi {
  readonly pid: number
}

const program = fileURLToPath(new URL('worker.ts', import.meta.url))

export async function startLoad(scope: Scope): Promise<Load> {
  const child = fork(program, { execArgv: ['--import', 'tsx'], serialization: 'advanced' })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let calls = 0

  child.on('message', (message: { id: number; result?: unknown; error?: string }) => {
    const call = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) call?.resolve(message.result)
    else call?.reject(new Error(message.error))
  })
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`a load process ended (${code})`))
  })
  scope.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  await once(child, 'message')

  const call =
    (name: keyof LoadApi) =>
    (...args: unknown[]) => {
      const answer = new Promise<unknown>((resolve, reject) => {
        calls += 1
        waiting.set(calls, { resolve, reject })
        child.send({ id: calls, name, args } satisfies Call, (error) => error && reject(error))
      })
      // A turn that has failed elsewhere does not wait for it.
      answer.catch(() => undefined)
      return answer
    }
  return new Proxy({} as Load, {
    get: (_target, name) => {
      if (name === 'pid') return child.pid
      return name === 'then' ? undefined : call(name as keyof LoadApi) // it is no promise
    },
  })
}
