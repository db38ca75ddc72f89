/** Runs `task` for 0 to `count` - 1 with so many under way at once. */
export async function inParallel(
  count: number,
  concurrency: number,
  task: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  async function work(): Promise<void> {
    while (next < count) {
      next += 1
      await task(next - 1)
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, work))
}
