# The key features, asked for as players do: `python tests/test_runner.py --critical-only`. (The lab's `python` is sh.)
set -eu
. ./.env
[ "${1:-}" = --critical-only ] || { echo "usage: test_runner.py --critical-only" >&2; exit 64; }
for path in /lobby /inventory /trade; do
  timeout 5 busybox wget -q -O /dev/null "http://$ADDRESS:8080$path" || { echo "FAILED $path"; exit 1; }
done
echo "3 passed"
