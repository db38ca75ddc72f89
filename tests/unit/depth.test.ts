import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundDepth } from '../../server/edge/depth.ts'

const nested = (levels: number, open: string, close: string) =>
  `${open.repeat(levels)}0${close.repeat(levels)}`
const send = (body: string) => `21["room:send",{"room":"r","id":"i","body":${body}}]`

/** Levels of a value, without recursion. */
function depthOf(value: unknown): number {
  let depth = 0
  for (let at = value; typeof at === 'object' && at !== null; at = Object.values(at).at(-1))
    depth += 1
  return depth
}

test('what is not deep stays as it is', () => {
  for (const packet of [
    '2["x"]',
    send(nested(900, '[', ']')),
    send(JSON.stringify('['.repeat(5000))),
    send(JSON.stringify(`\\"${'{'.repeat(5000)}`)),
    send(`[${'[],'.repeat(3000)}0]`),
    'x'.repeat(10_000),
  ]) {
    expect(boundDepth(packet)).toBe(packet)
  }
})

test.each([
  ['[', ']'],
  ['{"a":', '}'],
  ['[{"[":"]}","b":', '}]'],
])('a request of ours keeps its form and loses what is too deep: %s', (open, close) => {
  const bounded = boundDepth(send(nested(5000, open, close)))
  expect(bounded.length).toBeLessThan(5000)
  const [name, { room, id, body }] = JSON.parse(bounded.slice(2))
  expect([name, room, id]).toEqual(['room:send', 'r', 'i'])
  expect(depthOf(body)).toBeGreaterThan(100)
  expect(depthOf(body)).toBeLessThanOrEqual(200)
})

test('what follows the depths is kept, and several are cut', () => {
  const deep = nested(3000, '[', ']')
  const packet = `2/,7["room:join",{"since":${deep},"room":"r","limit":${deep},"presence":true}]`
  const [, request] = JSON.parse(boundDepth(packet).slice(4))
  expect([request.room, request.presence]).toEqual(['r', true])
})

test('a request with attachments keeps its form, too', () => {
  const packet = `51-/,7["room:send",{"body":${nested(3000, '[', ']')}}]`
  expect(boundDepth(packet)).toMatch(/^51-\/,7\["room:send",\{"body":\[+0\]+\}\]$/)
})

test('other events that deep are no packet', () => {
  for (const head of ['2["mine",', '51-["mine",', '2/other,["room:send",', '3']) {
    expect(boundDepth(`${head}${nested(3000, '[', ']')}]`)).toBe('2!')
  }
})

test('JSON that is no JSON is cut anywhere, and nothing is thrown', () => {
  const piece = fc.constantFrom('[', ']', '{', '}', '"', '\\', '[[[[', ']]]]', '0', ',', 'é')
  const text = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join('').repeat(60))
  fc.assert(
    fc.property(text, (body) => {
      const bounded = boundDepth(send(body))
      expect(bounded.length).toBeLessThanOrEqual(send(body).length)
    }),
  )
})
