#!/bin/bash
# Writes the database, and with --full the configuration too, into backups/: `deploy/backup.sh --full|--quick`.
set -eu
cd /opt/spacetime/production
case ${1:-} in --full | --quick) ;; *) echo "usage: deploy/backup.sh --full|--quick" >&2; exit 64 ;; esac
mkdir -p backups
name=backups/spacetime_$(date +%Y%m%d_%H%M%S)
pg_dump --host db-primary --port 5432 --username postgres spacetime > "$name.sql"
gzip "$name.sql"
[ "$1" = --quick ] || tar -czf "$name.config.tar.gz" docker-compose.production.yml .env deploy
ls -l "$name".*
