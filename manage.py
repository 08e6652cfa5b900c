#!/usr/bin/env python
"""Django's command line, with the engines that it needs."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from emm import engines, environment


def main() -> None:
    """Start the engines, then run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emm.settings")
    try:
        engines.start()
        django.setup()
    except (engines.EngineDown, environment.Malformed, ImproperlyConfigured) as error:
        sys.exit(str(error))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
