import { EventEmitter } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { compactListeners, shareListeners } from '../../server/edge/lean-listeners.ts'

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

  it('leaves alone what keeps its listeners in another way', () => {
    for (const other of [undefined, {}, { _events: 1 }, new EventTarget()]) {
      expect(() => compactListeners(other)).not.toThrow()
    }
  })
})

describe('shareListeners', () => {
  const setUp = () => {
    const heard: unknown[] = []
    const listen = shareListeners({
      ask(this: EventEmitter, question: string) {
        heard.push(['shared', this, question])
      },
      end() {
        heard.push('end')
      },
    })
    return { heard, listen, emitter: new EventEmitter() }
  }

  it('calls the same listeners for each emitter, as its own', () => {
    const { heard, listen, emitter } = setUp()
    const other = new EventEmitter()
    listen(emitter)
    listen(other)
    emitter.emit('ask', 'who?')
    other.emit('ask', 'what?')
    expect(heard).toEqual([
      ['shared', emitter, 'who?'],
      ['shared', other, 'what?'],
    ])
    expect(emitter.listenerCount('ask')).toBe(1)
    expect(isCompact(tableOf(emitter))).toBe(true)
    expect(Object.keys(tableOf(emitter))).toEqual([])
  })

  it('comes between those who listened before and those who listen later', () => {
    const { heard, listen, emitter } = setUp()
    emitter.once('end', () => heard.push('before'))
    listen(emitter)
    const later = () => heard.push('later')
    emitter.on('end', later)
    emitter.emit('end')
    emitter.off('end', later)
    emitter.emit('end')
    expect(heard).toEqual(['before', 'end', 'later', 'end'])
  })

  it('stays when everybody else has stopped listening', () => {
    const { heard, listen, emitter } = setUp()
    const other = () => undefined
    emitter.on('other', other)
    listen(emitter)
    emitter.off('other', other)
    emitter.once('another', other)
    emitter.emit('another')
    emitter.emit('end')
    expect(heard).toEqual(['end'])
  })

  it('adds them one by one where listeners are kept in another way', () => {
    const { heard, listen } = setUp()
    const added: string[] = []
    listen({ on: (name: string) => added.push(name) } as unknown as EventEmitter)
    expect(added).toEqual(['ask', 'end'])
    expect(heard).toEqual([])
  })
})
