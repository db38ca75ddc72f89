import { expect, test } from 'vitest'
import { type Frame, frameOf } from '../../server/broker/redis/frames.ts'

const parse = (text: string): Frame | undefined => frameOf(Buffer.from(text))
const content = (id: string) => JSON.stringify({ id, from: { id: 'ä 😀' }, body: '\n"\u2028' })

test('a frame of one message and of several, each linked to the one before', () => {
  expect(parse(`mep-1:7:500:400:${content('a')}`)).toEqual({
    kind: 'messages',
    epoch: 'ep-1',
    entries: [{ offset: 7, at: 500, prevAt: 400, content: content('a') }],
  })
  expect(parse(`mep-1:7:500:400:${['a', 'b', 'c'].map(content).join('\n')}`)).toEqual({
    kind: 'messages',
    epoch: 'ep-1',
    entries: [
      { offset: 7, at: 500, prevAt: 400, content: content('a') },
      { offset: 8, at: 500, prevAt: 500, content: content('b') },
      { offset: 9, at: 500, prevAt: 500, content: content('c') },
    ],
  })
  expect(parse('eep:3:200')).toEqual({
    kind: 'epoch',
    epoch: 'ep',
    tail: { epoch: 'ep', offset: 3, at: 200 },
  })
})

test('messages that are known are not read, and those after them are linked to them', () => {
  const known = (...upTo: unknown[]) =>
    frameOf(
      Buffer.from(`mep:7:500:400:${['a', 'b', 'c'].map(content).join('\n')}`),
      (epoch, offset, at) => epoch === upTo[0] && offset <= Number(upTo[1]) && at === upTo[2],
    )
  expect(known('ep', 7, 500)).toMatchObject({
    entries: [
      { offset: 8, at: 500, prevAt: 500, content: content('b') },
      { offset: 9, at: 500, prevAt: 500, content: content('c') },
    ],
  })
  expect(known('ep', 9, 500)).toBeUndefined()
  expect(known('another', 9, 500)).toMatchObject({ entries: [{ offset: 7, prevAt: 400 }, {}, {}] })
})

test('messages end at the first line that is not the content of one', () => {
  const lines = (...texts: string[]) => {
    const frame = parse(`me:1:2:0:${texts.join('\n')}`)
    return frame?.kind === 'messages' ? frame.entries.length : 0
  }
  const good = content('a')
  for (const bad of ['', '{}', 'null', '{"id":"b"', '{"id":"b"}}', `${good},${good}`, '\r']) {
    expect(lines(good, good, bad, good), bad).toBe(2)
    expect(lines(bad, good), bad).toBe(0)
  }
  expect(lines(good, '')).toBe(1)
  // Valid together, but not one by one.
  expect(lines('{"id":"a","body":[1', '2]}')).toBe(0)
})

test('what is no frame is none', () => {
  const place = `:1:2:0:${content('a')}`
  for (const text of [
    '',
    'm',
    'e',
    'x',
    'me:1:2',
    'me:1:2:0:',
    `m${place}`,
    `mbad epoch${place}`,
    `m${'e'.repeat(65)}${place}`,
    `me:${'1'.repeat(17)}:2:0:${content('a')}`,
    'ee:1:2:',
    `ee:1:2${' '.repeat(200)}`,
  ]) {
    expect(parse(text), text).toBeUndefined()
  }
})
