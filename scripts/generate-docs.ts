import { readFileSync, writeFileSync } from 'node:fs'
import { aclPage, shippedAcl } from './acl-page.ts'
import { metricsPage } from './metrics-page.ts'
import { migrationPage } from './moved-application.ts'
import { configurationPage, exampleEnvironment } from './option-pages.ts'

/** Writes what is generated from the code and the examples; with `--check`, fails where it differs. */
const pages = {
  'docs/CONFIGURATION.md': configurationPage(),
  'env/roomwire.env.example': exampleEnvironment(),
  'docs/METRICS.md': await metricsPage(),
  'docs/ACL.md': aclPage(),
  'deploy/users.acl': shippedAcl(),
  'docs/MIGRATION.md': migrationPage(),
}

const check = process.argv.includes('--check')
for (const [path, text] of Object.entries(pages)) {
  const file = new URL(`../${path}`, import.meta.url)
  if (!check) writeFileSync(file, text)
  else if (current(file) !== text) {
    console.error(`${path} differs from what it is made from: run npm run docs`)
    process.exitCode = 1
  }
}

function current(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
