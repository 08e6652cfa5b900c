#!/usr/bin/env bash
# The web service: console, API, health.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python -m gunicorn emm.wsgi -c config/gunicorn.conf.py
