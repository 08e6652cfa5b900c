#!/usr/bin/env python3
"""python scripts/verify-bundle.py FILE: whether an evidence bundle is as it was written, and each sign-off's digest is that
of the statement beside it. Needs nothing but Python."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def main() -> int:
    """0: it is; 1: it was changed, or is no bundle."""
    if len(sys.argv) != 2:
        print("Usage: python scripts/verify-bundle.py FILE", file=sys.stderr)
        return 1
    try:
        found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        said, bundle = found["sha256"], found["bundle"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"It is no evidence bundle: {type(error).__name__}.", file=sys.stderr)
        return 1
    canonical = json.dumps(bundle, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    if digest != said:
        print(f"It was changed: its content has the SHA-256 {digest}, and it says {said}.", file=sys.stderr)
        return 1
    for one in bundle["signoffs"]:
        signed = json.dumps(one["statement"], sort_keys=True, ensure_ascii=True)
        if hashlib.sha256(signed.encode()).hexdigest() != one["digest"]:
            print(f"The sign-off of {one['role']} is bound to something else than the bundle says.", file=sys.stderr)
            return 1
    print(f"It is as it was written: release {bundle['release']['version']}, SHA-256 {digest}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
