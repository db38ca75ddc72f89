#!/bin/sh
# Starts redis_exporter with a password from a file (REDIS_PASSWORD_FILE):
# redis-exporter-start.sh <redis_exporter> [its options]
#
# The exporter takes a password as an argument, which everyone on the host can read, from a file of
# JSON, in which some characters need escapes, or from its environment, which takes any but a newline.
# It reads it once: start it again after the password was changed.
set -eu

# The substitution takes away the newline that editors put at the end.
REDIS_PASSWORD=$(cat "$REDIS_PASSWORD_FILE")
if [ -z "$REDIS_PASSWORD" ]; then
    echo "redis-exporter-start.sh: $REDIS_PASSWORD_FILE is empty" >&2
    exit 78
fi
export REDIS_PASSWORD
unset REDIS_PASSWORD_FILE
exec "$@"
