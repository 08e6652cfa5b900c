#!/usr/bin/env bash
# Before a new version serves: schema, seeds, schedule. Safe to repeat; a failure keeps the old version running.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python manage.py prepare
