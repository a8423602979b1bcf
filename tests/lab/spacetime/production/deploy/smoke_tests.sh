#!/bin/sh
# The few requests that must be answered well: `deploy/smoke_tests.sh [URL]`.
set -eu
. "$(dirname "$0")/../.env"
url=${1:-http://$ADDRESS:8080}
for path in /health /status / /lobby /inventory; do
  timeout 5 busybox wget -q -O /dev/null "$url$path" || { echo "FAILED $url$path"; exit 1; }
  echo "ok $url$path"
done
