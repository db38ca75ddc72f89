import { rights } from '../server/broker/redis/rights.ts'
import { aclUsers } from '../server/cli-acl.ts'
import { readConfig } from '../server/config.ts'

const { config } = readConfig({})

/** What `roomwire acl` prints where nothing is configured. */
export function shippedAcl(): string {
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

\`roomwire acl\` prints the ACL rule for the settings in its environment: the user that they name, the keys and channels of \`REDIS_KEY_PREFIX\`, the channels of the producers that it listens to (\`REDIS_EMITTER\`, \`PYTHON_SOCKETIO\`), and the commands that the gateway gives to Redis, by itself or in its scripts. Nothing else is allowed, so that a leaked password reads no other application's keys and changes no setting of Redis. Where the two roles have a Redis each, there is a rule for each. Without settings it is what \`deploy/users.acl\` holds:

\`\`\`
${shippedAcl().trim()}
\`\`\`

\`<sha256>\` stands for \`printf %s "$PASSWORD" | sha256sum\`. In an ACL file the line goes as it is. On a running Redis, with the password in a file and the administrator’s in another (on every node: replicas do not learn users from their primary):

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
