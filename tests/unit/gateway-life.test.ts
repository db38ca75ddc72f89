import { expect, test } from 'vitest'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

test('a stopped gateway says that it does not start again', async () => {
  const gateway = await startInProcess(testScope())
  await gateway.stop()
  await expect(gateway.start()).rejects.toThrow('was stopped, which is for good')
  await gateway.stop()
})
