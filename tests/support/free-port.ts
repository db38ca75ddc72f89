import { createServer } from 'node:net'

// Below the range that systems hand out to outgoing connections (32768 up on Linux). There, the port
// of a stopped server can be taken by any client's socket, and a client that keeps knocking at a
// closed port ends up connected to itself.
const LOWEST = 12_000
const HIGHEST = 32_000

/** A loopback port that nothing listens on. Another process may still take it: be ready to retry. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
