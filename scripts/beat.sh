#!/usr/bin/env bash
# The clock: one of it is enough, a second one does no harm.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python -m celery -q -A emm.celery beat --pidfile=
