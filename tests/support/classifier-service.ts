import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scope } from './scope.ts'

type Answer = (text: string, response: ServerResponse, request: IncomingMessage) => unknown

/** A classifier over HTTP that does what the test says. */
export interface ClassifierService {
  readonly url: string
  /** Every text it was asked about, in order. */
  readonly asked: readonly string[]
  /** How it answers from now on. */
  answer(answer: Answer): void
}

/** `{ labels: { length } }` */
export const lengthOf: Answer = (text, response) =>
  response.end(JSON.stringify({ labels: { length: text.length } }))

export async function startClassifier(scope: Scope, first = lengthOf): Promise<ClassifierService> {
  const asked: string[] = []
  let answer = first
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { text } = JSON.parse(Buffer.concat(chunks).toString()) as { text: string }
    asked.push(text)
    answer(text, response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    answer(next) {
      answer = next
    },
  }
}
