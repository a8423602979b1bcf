#!/bin/bash
# Sends all players to blue or to green: `deploy/switch.sh green`.
set -eu
to=$1
[ -d "/etc/nginx/spacetime/$to" ] || { echo "there is no environment called $to" >&2; exit 64; }
from=$(readlink /etc/nginx/spacetime/active)
sudo ln -sfn "$to" /etc/nginx/spacetime/active
if ! sudo nginx -t; then sudo ln -sfn "$from" /etc/nginx/spacetime/active; exit 1; fi
sudo nginx -s reload
echo "players are sent to $to"
