import { rights } from '../server/broker/redis/rights.ts'
import { aclUsers } from '../server/cli-acl.ts'
import { readConfig } from '../server/config.ts'

const { config } = readConfig({})

/**
 * A Redis without a line for `default` lets anybody do everything; one with a bare `user default off`
 * loses what scripts wrote when it restarts: Redis 7.0 replays its append-only file with the rights of
 * that user.
 */
const NOBODY = 'user default off ~* &* +@all\n'

/** An ACL file with what `roomwire acl` prints where nothing is configured. */
export function shippedAcl(): string {
  return NOBODY + shippedRules()
}

function shippedRules(): string {
  return aclUsers(config)
    .map(({ rule }) => `${rule}\n`)
    .join('')
}

/** docs/ACL.md: the rule, and why it holds what it holds. */
export function aclPage(): string {
  const rows = rights.map(({ command, roles, topology, setting, why, without, unasked }) => {
    const only = [
      topology && (topology === 'cluster' ? 'on a cluster' : 'not on a cluster'),
      setting && (setting === 'database' ? 'with a database number' : `with ${setting}`),
    ].filter(Boolean)
    const notes = [why, ...(only.length > 0 ? [`only ${only.join(', ')}`] : [])].join('; ')
    return `| \`${command.replace('|', '\\|')}\` | ${roles.join(', ')} | ${notes} | ${unasked ? 'the same: Redis asks for no right' : (without ?? 'the role does not start')} |`
  })
  return `# The least Redis user

<!-- Made by \`npm run docs\` from server/broker/redis/rights.ts. -->

\`roomwire acl\` prints the ACL rule for the settings in its environment: the user that they name, the keys and channels of \`REDIS_KEY_PREFIX\`, the channels of the producers that it listens to (\`REDIS_EMITTER\`, \`PYTHON_SOCKETIO\`), and the commands that the gateway gives to Redis, by itself or in its scripts. Nothing else is allowed, so that a leaked password reads no other application's keys and changes no setting of Redis. Where the two roles have a Redis each, there is a rule for each. \`deploy/users.acl\` holds what it prints without settings, and a line for \`default\`:

\`\`\`
${shippedAcl().trim()}
\`\`\`

\`<sha256>\` stands for \`printf %s "$PASSWORD" | sha256sum\`. In an ACL file the lines go as they are, with the hash in its place, and with one for an administrator (\`user admin on #… ~* &* +@all\`): the file cannot hold comments. The gateway is told the user by \`WEBSOCKET_REDIS_USERNAME\`, \`REDIS_USERNAME\` or \`redis://roomwire@host\`.

**The user \`default\`.** Without a line of its own it may do everything, without a password. Never write a bare \`user default off\`: it takes away the rights as well, and Redis 7.0 replays its append-only file with the rights of \`default\`. What scripts wrote, which is every room, is then missing after a restart; the log of Redis says \`AOF-loading-client … NOPERM\`. Off, but with its rights, as above, it lets nobody in and keeps everything. (\`ACL SETUSER default off\` at run time, then \`ACL SAVE\`, keeps the rights too.) If it has happened: do not let the file be rewritten, give \`default\` its rights back (\`ACL SETUSER default ~* &* +@all\`, \`ACL SAVE\`), and restart Redis.

\`roomwire\` is \`npx roomwire\` where the package is installed, \`node dist/server/main.js\` in a clone. To add the user to a running Redis, with the password in a file and the administrator’s in another (on every node: replicas do not learn users from their primary):

\`\`\`sh
sha=$(printf %s "$(cat password)" | sha256sum | cut -d ' ' -f 1)
export REDISCLI_AUTH="$(cat admin)"
roomwire acl | sed "s/^user/ACL SETUSER/; s/<sha256>/$sha/" | redis-cli --user admin
redis-cli --user admin ACL SAVE    # where Redis has an aclfile, else CONFIG REWRITE
\`\`\`

Some providers take no rules for sub-commands: write \`+pubsub\` in place of \`+pubsub|numsub\` there.

The gateway tries every right once after each connect. One that is missing is named in one line, with all others that are missing, and in \`/health\` (\`kind: "noperm"\`); the gateway is not ready until it is there, and then goes on by itself. A few rights it can do without: then the role works, a line says what is missed, and \`/health\` shows it as \`noperm\` beside \`"state": "ok"\`. The test suite's own Redis runs under this rule.

| command | role | why | without it |
|---|---|---|---|
${rows.join('\n')}
`
}
