#!/usr/bin/env bash
# One worker. Arguments: queues by comma (default: all), threads (default: 12).
# Give write and llm a worker of their own, so that long arguments never starve short work.
set -euo pipefail
cd "$(dirname "$0")/.."
queues=${1:-sync,llm,write}
exec python -m celery -q -A emm.celery worker -P threads -Q "$queues" -c "${2:-12}" \
    -n "${queues//,/-}@%h" --without-gossip --without-mingle
