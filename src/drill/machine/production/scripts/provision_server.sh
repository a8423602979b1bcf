#!/bin/bash
# Sets a new game server up: its containers are started, and answer.
set -eu
cd /opt/spacetime/production
docker-compose -p "spacetime-$(readlink /etc/nginx/spacetime/active)" start
left=30
until curl -fsS -o /dev/null --max-time 5 http://localhost:8080/health; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo "the game server does not answer" >&2; exit 1; }
  sleep 1
done
echo "$(hostname) is set up"
