#!/usr/bin/env bash
# Whether this commit may be deployed, as far as it can be seen from here. Exit code 0: every check passed. 1: one failed.
#   bash scripts/pre-deploy-check.sh [--env-file FILE] [--skip-tests]
# What it found about the commit is written to evidence.json, for manage.py evidence, which keeps it for the release.
set -uo pipefail
cd "$(dirname "$0")/.."
PY=${PYTHON:-.venv/bin/python}
command -v "$PY" >/dev/null || PY=python3
environment=()
tests=yes
while [ $# -gt 0 ]; do
    case $1 in
        --env-file) environment=(--env-file "$2"); shift 2 ;;
        --skip-tests) tests=no; shift ;;
        *) echo "unknown: $1" >&2; exit 2 ;;
    esac
done

failed=()
passed=0
check() {
    local name=$1 output
    shift
    printf '%-28s' "$name"
    if output=$("$@" 2>&1); then
        echo ok
        passed=$((passed + 1))
    else
        echo FAILS
        printf '%s\n' "$output" | tail -n 15 | sed 's/^/    /'
        failed+=("$name")
    fi
}

result=$(mktemp)
trap 'rm -f "$result"' EXIT

deploy_check() {
    ENVIRONMENT=production SECRET_KEY=$("$PY" -c 'import secrets; print(secrets.token_urlsafe(64))') \
        EMM_ENCRYPTION_KEY=$("$PY" -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())') \
        ALLOWED_HOSTS=emm.invalid PUBLIC_URL=https://emm.invalid DATABASE_URL=postgres://localhost/none \
        REDIS_URL=redis://localhost/0 API_KEY= \
        "$PY" manage.py check --deploy --fail-level WARNING
}

variables() {
    "$PY" scripts/validate-env.py "${environment[@]}" || [ $? -eq 2 ]  # 2: the rest may stand in the console
}

documents() {
    local name
    for name in README.md docs/DEPLOYMENT_GUIDE.md docs/journey.md .env.production.example; do
        [ -s "$name" ] || { echo "$name is missing"; return 1; }
    done
    "$PY" scripts/validate-env.py --example | diff -u .env.production.example - || return 1
}

image() {
    if [ -x .venv/bin/hadolint ]; then .venv/bin/hadolint Dockerfile; else command -v hadolint >/dev/null && hadolint Dockerfile; fi
}

check "environment" variables
check "migrations are complete" "$PY" manage.py makemigrations --check --dry-run
check "check --deploy" deploy_check
check "image lint" image
check "documents" documents
if [ "$tests" = yes ]; then
    check "tests" "$PY" -m pytest -q -n 2 -m "not faults and not browser" --junit-xml "$result"
fi
word=passed
[ ${#failed[@]} -eq 0 ] || word=failed
given=()
[ -s "$result" ] && given=(--tests "$result")
check "secrets in tree and history" "$PY" scripts/evidence.py "${given[@]}" --checks "$word" --out evidence.json

echo
echo "Readiness, which does not decide here:"
verdict=$("$PY" manage.py readiness 2>/dev/null | tail -n 1)
echo "${verdict:-It cannot be seen from here: no database of the product answers.}"
echo
echo "$passed checks passed, ${#failed[@]} failed${failed:+: ${failed[*]}}. What was proved is in evidence.json."
[ ${#failed[@]} -eq 0 ]
