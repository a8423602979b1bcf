#!/bin/bash
# Goes back to the colour, and so to the version, that was in use before: `deploy/rollback.sh [--quick]`. Quick: without asking the database.
set -eu
case ${1:---full} in --quick | --full) ;; *) echo "usage: deploy/rollback.sh [--quick]" >&2; exit 64 ;; esac
cd /opt/spacetime/production
case $(readlink /etc/nginx/spacetime/active) in blue) to=green ;; *) to=blue ;; esac
[ -e "spacetime-$to.tag" ] || { echo "there is nothing to go back to: spacetime-$to was never up" >&2; exit 1; }
docker-compose -p "spacetime-$to" up -d
left=30
until ! docker-compose -p "spacetime-$to" ps | tail -n +2 | grep -qv '(healthy)'; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo "spacetime-$to does not become healthy; players stay where they are" >&2; exit 1; }
  sleep 1
done
bash deploy/switch.sh "$to"
echo "$(cat "spacetime-$to.tag") rolled back to at $(date)" | tee -a deployments.log
