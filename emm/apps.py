from typing import Any

from celery import signals
from django.apps import AppConfig


class EmmConfig(AppConfig):
    name = "emm"
    verbose_name = "Platform"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register our system checks and what the API's description needs, and make our Celery app the current one.

        Without that a process that is not a worker would send its nudges to a broker on localhost.
        """
        from emm import celery, checks, measures, schema  # noqa: F401  # importing registers them; they need the apps to be loaded

        # Strong references: these closures have no other owner.
        signals.worker_ready.connect(_measuring("worker"), weak=False)
        signals.beat_init.connect(_measuring("beat"), weak=False)


def _measuring(kind: str) -> Any:
    """A receiver that starts the measurement of this process."""

    def start(**_: Any) -> None:
        from emm import measures

        measures.start(kind)

    return start
