import { expect, test } from 'vitest'
import { findLinks } from '../../client-demo/src/links.ts'

test.each<[text: string, urls: string[]]>([
  ['no address here', []],
  ['https://a.example', ['https://a.example']],
  ['see http://a.example/x?y=1#z, please', ['http://a.example/x?y=1#z']],
  ['(see https://a.example/b).', ['https://a.example/b']],
  ['https://a.example/wiki/Redis_(software)', ['https://a.example/wiki/Redis_(software)']],
  ['(https://a.example/wiki/Redis_(software))', ['https://a.example/wiki/Redis_(software)']],
  ['"https://a.example/q"', ['https://a.example/q']],
  ['<https://a.example>', ['https://a.example']],
  ['https://a.example! https://b.example?', ['https://a.example', 'https://b.example']],
  ['HTTPS://A.EXAMPLE/x', ['HTTPS://A.EXAMPLE/x']],
  ['`https://a.example/code`', ['https://a.example/code']],
  ['https://a.example/and-so-on…', ['https://a.example/and-so-on']],
  ['[words](https://a.example/markdown)', ['https://a.example/markdown']],
  ['https://', []],
  ['https://…', []],
  ['javascript:alert(1)', []],
  ['javascript://a.example/%0aalert(1)', []],
  ['xhttps://a.example', []],
  ['ftp://a.example data:text/html,x', []],
  ['two\nlines https://a.example\nmore', ['https://a.example']],
])('%j', (text, urls) => {
  const stretches = findLinks(text)
  expect(stretches.flatMap(({ url }) => (url === undefined ? [] : [url]))).toEqual(urls)
  expect(stretches.map((stretch) => stretch.text).join('')).toBe(text)
})

test('what is longer than any address is cut, not gone through bracket by bracket', () => {
  const text = `https://a.example/${')'.repeat(60_000)}`
  expect(findLinks(text)[0]).toEqual({ text: 'https://a.example/', url: 'https://a.example/' })
})
