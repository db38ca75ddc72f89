#!/bin/sh
# Starts redis-server with a password from a file (REDIS_PASSWORD_FILE) or, failing that, from
# REDIS_PASSWORD: redis-start.sh <redis.conf> [further options of redis-server]
#
# Redis takes a password as an argument, which everyone on the host can read, or in its configuration,
# which gives some characters a meaning. Its ACL file takes the hash instead, whatever the password.
set -eu

if [ -n "${REDIS_PASSWORD_FILE:-}" ]; then
    # The substitution takes away the newline that editors put at the end.
    REDIS_PASSWORD=$(cat "$REDIS_PASSWORD_FILE")
fi
if [ -z "${REDIS_PASSWORD:-}" ]; then
    echo "redis-start.sh: REDIS_PASSWORD_FILE and REDIS_PASSWORD are both empty" >&2
    exit 78
fi
hash=$(printf '%s' "$REDIS_PASSWORD" | sha256sum | cut -d ' ' -f 1)
unset REDIS_PASSWORD

# In the data directory: the image's entry point gives that to the user that Redis runs as.
users="$PWD/users.acl"
(umask 077 && printf 'user default on #%s ~* &* +@all\n' "$hash" >"$users")

set -- redis-server "$@" --aclfile "$users"
if command -v docker-entrypoint.sh >/dev/null; then
    set -- docker-entrypoint.sh "$@"
fi
exec "$@"
