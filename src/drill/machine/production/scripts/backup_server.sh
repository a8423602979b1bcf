#!/bin/bash
# Keeps what a server has of its own in /backup/server.
set -eu
cd /opt/spacetime
tar -czf "/backup/server/$(hostname)_$(date +%Y%m%d_%H%M%S).tar.gz" production/.env production/docker-compose.production.yml
