#!/bin/bash
# Looks once a second whether players are served: `deploy/monitor.sh --duration SECONDS`.
set -eu
[ "${1:-}" = --duration ] || { echo "usage: deploy/monitor.sh --duration SECONDS" >&2; exit 64; }
left=$2 bad=0
while [ "$left" -gt 0 ]; do
  curl -fsS -o /dev/null --max-time 5 http://localhost:8080/health || bad=$((bad + 1))
  left=$((left - 1))
  sleep 1
done
echo "$bad of $2 requests failed"
[ "$bad" = 0 ]
