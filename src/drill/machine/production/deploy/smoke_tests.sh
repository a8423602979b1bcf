#!/bin/bash
# The few requests that must be answered well: `deploy/smoke_tests.sh [URL]`.
set -eu
url=${1:-http://localhost:8080}
for path in /health /status /metrics; do
  curl -fsS -o /dev/null --max-time 5 "$url$path" || { echo "FAILED $url$path"; exit 1; }
  echo "ok $url$path"
done
