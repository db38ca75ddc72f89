import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RequestHandler } from 'express'
import { GatewayError } from '../errors.ts'

/** The chat page, which learns the Socket.IO path from a meta element. */
export function chatPage(pageDir: string, socketPath: string): RequestHandler {
  return async (_request, response) => {
    const html = await readPage(pageDir, 'index.html')
    const meta = /(<meta name="roomwire-socket-path" content=")[^"]*(")/
    const page = html.replace(meta, (_all, open, close) => `${open}${socketPath}${close}`)
    response.type('html').set('cache-control', 'no-cache').send(page)
  }
}

export function opsPage(pageDir: string): RequestHandler {
  return async (_request, response) => {
    const html = await readPage(pageDir, 'ops.html')
    response.type('html').set('cache-control', 'no-cache').send(html)
  }
}

function readPage(pageDir: string, name: string): Promise<string> {
  return readFile(join(pageDir, name), 'utf8').catch(() => {
    throw new GatewayError('NOT_FOUND', 'this page is not built: run npm run build')
  })
}
