// Loaded into a gateway (`node --expose-gc --import …`): on SIGUSR2 it says what it holds after a collection.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  process.stdout.write(`${JSON.stringify({ level: 30, msg: 'memory', heapUsed, external, rss })}\n`)
})
