#!/bin/sh
# scripts/venv.sh local|dev: makes .venv/ and installs requirements/NAME.txt into it, when that file has changed.
set -eu
cd "$(dirname "$0")/.."
name=$1
python=${PYTHON:-python3}

fail() {
    echo "$1" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "There is no $python: install Python 3.11 or newer, or name one: PYTHON=/path/to/python3 make ..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed; $python is older. Name another one: PYTHON=/path/to/python3 make ..."

digest() {
    "$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

installed() {
    [ "$(cat ".venv/.installed-$1" 2>/dev/null)" = "$(digest "requirements/$1.txt")" ]
}

if [ ! -x .venv/bin/python ]; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python's venv module is missing: apt-get install python3-venv (Debian), or name another Python: PYTHON=..."
    echo "Making .venv/."
    "$python" -m venv .venv
fi
if ! installed "$name"; then
    echo "Installing requirements/$name.txt into .venv/: a minute or two, the first time."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes -r "requirements/$name.txt"
    # dev contains local, at the same versions.
    if [ "$name" = dev ]; then digest requirements/local.txt >.venv/.installed-local; fi
    digest "requirements/$name.txt" >".venv/.installed-$name"
fi
