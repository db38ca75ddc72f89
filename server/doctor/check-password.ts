import type { Environment } from '../option-reader.ts'
import { type Report, reportOn } from './check.ts'
import { adviseOn } from './password-advice.ts'
import { type Input, readSecret } from './password-input.ts'
import { provePassword } from './password-proof.ts'

/**
 * Reads a password from standard input and says what is to be known of it. Undefined where none was
 * given. Nothing in the report holds it, but for its encoded form with `show`.
 */
export async function checkPassword(
  io: { env: Environment; stdin: Input; stderr: { write(text: string): unknown } },
  { show, prove }: { show: boolean; prove: boolean },
): Promise<Report | undefined> {
  const input = await readSecret(io.stdin, (text) => io.stderr.write(text))
  if (input === undefined) return undefined
  const { password, checks } = adviseOn(input, show)
  const proof = prove && password !== undefined ? await provePassword(password, io.env) : []
  return reportOn([...checks, ...proof])
}
