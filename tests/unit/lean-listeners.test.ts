import { EventEmitter } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { describe, expect, it, test } from 'vitest'
import { compactListeners } from '../../server/edge/lean-listeners.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

setFlagsFromString('--allow-natives-syntax')
const isCompact: (object: object) => boolean = new Function(
  'object',
  'return %HasFastProperties(object)',
) as never

const tableOf = (emitter: EventEmitter) => (emitter as unknown as { _events: object })._events

describe('compactListeners', () => {
  it('makes no dictionary of what the installed Node keeps as one', () => {
    const emitter = new EventEmitter()
    for (const event of ['message', 'close', 'error']) emitter.on(event, () => undefined)
    expect(isCompact(tableOf(emitter))).toBe(false)
    compactListeners(emitter)
    expect(isCompact(tableOf(emitter))).toBe(true)
  })

  it('changes nothing of who hears what', () => {
    const emitter = new EventEmitter()
    const heard: string[] = []
    const listen = (event: string, name: string) => emitter.on(event, () => heard.push(name))
    const removed = () => heard.push('removed')
    listen('message', 'first')
    emitter.once('message', () => heard.push('once'))
    emitter.on('close', removed)
    compactListeners(emitter)
    listen('message', 'second')
    listen('toString', 'a name that objects have')
    emitter.off('close', removed)
    for (const event of ['message', 'message', 'close', 'toString']) emitter.emit(event)
    expect(heard).toEqual([
      'first',
      'once',
      'second',
      'first',
      'second',
      'a name that objects have',
    ])
    expect(emitter.eventNames()).toEqual(['message', 'toString'])
    expect(() => emitter.emit('error', new Error('unheard'))).toThrow('unheard')
  })

  it('lets whoever asks remove listeners, again and again', () => {
    const emitter = new EventEmitter()
    const heard: string[] = []
    for (const event of ['ask', 'end']) emitter.on(event, () => heard.push(event))
    compactListeners(emitter)
    for (let times = 0; times < 5; times += 1) {
      emitter.removeAllListeners('ask')
      expect(emitter.listenerCount('ask')).toBe(0)
      emitter.on('ask', () => heard.push('another'))
    }
    for (const event of ['ask', 'end']) emitter.emit(event)
    expect(heard).toEqual(['another', 'end'])
  })

  it('leaves alone what keeps its listeners in another way', () => {
    for (const other of [undefined, {}, { _events: 1 }, new EventTarget()]) {
      expect(() => compactListeners(other)).not.toThrow()
    }
  })
})

test('an application may take over what a gateway listens to, again and again', async () => {
  const scope = testScope()
  const { io, health, url } = await startInProcess(scope)
  io.on('connection', (socket) => {
    // More often than the gateway has events: each removal counts.
    for (let times = 0; times < 20; times += 1) {
      socket.removeAllListeners('room:history')
      socket.on('room:history', (_request, answer) => answer({ ok: true, times }))
    }
    expect(socket.eventNames()).toContain('room:send')
    expect(socket.listenerCount('room:history')).toBe(1)
  })
  const client = await connectClient(scope, url)
  expect(await client.ask('room:history', { room: 'den' })).toEqual({ ok: true, times: 19 })
  await client.ask('gateway:hello', {})
  client.close()
  await eventually(() => health().connections === 0, { what: 'the gateway to hear of its end' })
})
