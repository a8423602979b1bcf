# What the hotfix is for. (The lab's `python` is sh.)
set -eu
. ./.env
timeout 5 busybox wget -q -O - "http://$ADDRESS:8080/lobby" | grep hotfix
