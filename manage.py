#!/usr/bin/env python
"""Django's command line, with the engines that it needs."""

import os
import sys

from emm import engines


def main() -> None:
    """Start the engines, then run the command that the arguments name."""
    try:
        engines.start()
    except engines.EngineDown as error:
        sys.exit(str(error))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emm.settings")
    from django.core.management import execute_from_command_line  # only after the engines are there

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
