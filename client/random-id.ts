/** 128 random bits. `crypto.randomUUID` exists only on HTTPS and localhost; this works everywhere. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')
}
