#!/usr/bin/env python3
"""Asks every service that the product needs one small question, and says how long each took.

Exit code 0: all answered. 1: one did not, or it could not be found out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emm import engines


def main() -> int:
    """Prints a line per service, or JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--free", action="store_true", help="leave out the one tiny call to Claude, which costs a little"
    )
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emm.settings")
    engines.start()
    import django  # after the engines have said where they are

    django.setup()
    from ops import connections  # after the apps are ready

    found = connections.check(buy=not options.free)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            word = {True: "ok", False: "FAILS", None: "unknown"}[one.ok]
            print(f"{word:9}{one.name:20}{one.milliseconds:6} ms  {one.detail}")
    return 0 if all(one.ok for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
