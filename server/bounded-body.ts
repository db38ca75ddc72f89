export class BodyTooLong extends Error {}

/**
 * The text of a reply: who answers is trusted, but not with our memory (D8).
 *
 * @throws BodyTooLong beyond `maxBytes`
 */
export async function boundedBody(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new BodyTooLong(`the answer has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(chunks))
}
