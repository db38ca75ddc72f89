import { expect, test } from 'vitest'
import {
  busyOfStat,
  cpuMicros,
  cpuOfStat,
  machineMicros,
  processTree,
  residentBytes,
} from '../../bench/process-usage.ts'
import { commandsOf } from '../../bench/redis-commands.ts'

test('CPU is read behind a program’s name, whatever the name holds', () => {
  const fields = 'S 1 1 1 0 -1 4194560 100 0 0 0 123 45 6 7 20 0 12 0 1000'
  expect(cpuOfStat(`77 (a) R 1 (b c) ${fields}`)).toBe((123 + 45) * 10_000)
})

test('a machine is busy with everything but idleness and waiting', () => {
  expect(busyOfStat('cpu  1 2 3 1000 500 4 5 6 0 0\ncpu0 9 9 9 9 9 9 9 9\n')).toBe(21 * 10_000)
})

test('this very process can be read, one that is gone cannot', () => {
  expect(cpuMicros(process.pid)).toBeGreaterThan(0)
  expect(machineMicros()).toBeGreaterThan(0)
  expect(residentBytes(process.pid)).toBeGreaterThan(10 * 2 ** 20)
  expect(processTree(process.pid)).toContain(process.pid)
  const beyond = 2 ** 22 + 1 // no process has an id above pid_max
  expect(cpuMicros(beyond)).toBeUndefined()
  expect(residentBytes(beyond)).toBeUndefined()
  expect(processTree(beyond)).toEqual([beyond])
})

test('only commands that came over the network are counted', () => {
  const info = [
    '# Commandstats',
    'cmdstat_evalsha:calls=200,usec=9,usec_per_call=1.0,rejected_calls=0,failed_calls=0',
    'cmdstat_xrange:calls=900,usec=9,usec_per_call=1.0,rejected_calls=0,failed_calls=0',
    'cmdstat_client|setinfo:calls=4,usec=9,usec_per_call=1.0,rejected_calls=0,failed_calls=0',
    'cmdstat_subscribe:calls=100,usec=9,usec_per_call=1.0,rejected_calls=0,failed_calls=0',
  ].join('\r\n')
  expect(commandsOf(info)).toEqual({ evalsha: 200, subscribe: 100 })
})
