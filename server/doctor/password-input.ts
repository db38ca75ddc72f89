/** What is needed of standard input. */
export interface Input extends AsyncIterable<unknown> {
  isTTY?: boolean
  setRawMode?(raw: boolean): unknown
}

const [INTERRUPT, END, BACKSPACE, DELETE] = ['\x03', '\x04', '\b', '\x7f']
/** Far longer than any password; whatever is piped in beyond that is a mistake (D8). */
const MOST_BYTES = 65_536

/**
 * The bytes of standard input; from a terminal one line, which is not echoed. Undefined where the
 * person changed their mind, or there is far too much.
 *
 * @param prompt called before a terminal is read
 */
export async function readSecret(
  input: Input,
  prompt: (text: string) => void,
): Promise<Buffer | undefined> {
  if (!input.isTTY) return readAll(input)
  prompt('Password (not shown): ')
  input.setRawMode?.(true)
  try {
    return await readLine(input)
  } finally {
    input.setRawMode?.(false)
    prompt('\n')
  }
}

async function readAll(input: Input): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of input) {
    const data = Buffer.from(chunk as Buffer | string)
    bytes += data.length
    if (bytes > MOST_BYTES) return undefined
    chunks.push(data)
  }
  return Buffer.concat(chunks)
}

/** In raw mode the terminal hands on every key, and we do what it would have done. */
async function readLine(input: Input): Promise<Buffer | undefined> {
  // Not byte by byte: a character may be cut in two between chunks.
  const decoder = new TextDecoder()
  let typed: string[] = []
  for await (const chunk of input) {
    const text = decoder.decode(Buffer.from(chunk as Buffer | string), { stream: true })
    for (const key of text) {
      if (key === INTERRUPT) return undefined
      if (key === '\r' || key === '\n' || key === END) return Buffer.from(typed.join(''))
      if (key === BACKSPACE || key === DELETE) typed = typed.slice(0, -1)
      else typed.push(key)
    }
  }
  return Buffer.from(typed.join(''))
}
