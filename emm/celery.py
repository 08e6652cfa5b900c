"""The Celery app. `celery -A emm.celery` starts the engines that it needs, as every entry point does."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

from emm import engines

engines.start()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emm.settings")

app = Celery("emm")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Celery leaves logging alone once something listens here: Django's settings have configured it already."""
