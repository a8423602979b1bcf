#!/bin/sh
# Looks once a second whether players are served: `deploy/monitor.sh --duration SECONDS`.
set -eu
. "$(dirname "$0")/../.env"
[ "${1:-}" = --duration ] || { echo "usage: deploy/monitor.sh --duration SECONDS" >&2; exit 64; }
left=$2 bad=0
while [ "$left" -gt 0 ]; do
  timeout 5 busybox wget -q -O /dev/null "http://$ADDRESS:8080/lobby" || bad=$((bad + 1))
  left=$((left - 1))
  sleep 1
done
echo "$bad of $2 requests failed"
[ "$bad" = 0 ]
