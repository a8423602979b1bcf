#!/bin/sh
# Sends all players to blue or to green: `deploy/switch.sh green`.
set -eu
to=$1
[ -d "/etc/nginx/spacetime/$to" ] || { echo "there is no environment called $to" >&2; exit 64; }
from=$(readlink /etc/nginx/spacetime/active)
ln -sfn "$to" /etc/nginx/spacetime/active
if ! nginx -t; then ln -sfn "$from" /etc/nginx/spacetime/active; exit 1; fi
before=$(pgrep -P "$(cat /run/nginx.pid)" || true)
nginx -s reload
# That is a signal: until the workers of before take nobody any more, some players still come to the other colour.
left=100
while pgrep -P "$(cat /run/nginx.pid)" -a | grep -v 'shutting down' | cut -d' ' -f1 | grep -qxF "$before"; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo "nginx has not taken up its new config" >&2; exit 1; }
  sleep 0.1
done
