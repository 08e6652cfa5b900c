"""Settings for the type checker, which reads models and needs no engine."""

import os

os.environ.setdefault("DATABASE_URL", "postgres://localhost/unused")
os.environ.setdefault("REDIS_URL", "redis://localhost/0")

from emm.settings import *  # noqa: F403  # the variables above come first
