"""The price list that comes with the product, brought into the rows that the ledger reads."""

from __future__ import annotations

from typing import Any

import yaml
from django.apps import apps as current
from django.apps.registry import Apps
from django.conf import settings

PRICE_LIST = settings.BASE_DIR / "config" / "prices.yaml"


def import_prices(apps: Apps = current, **_signal: Any) -> None:
    """Add what config/prices.yaml has and the table has not. Runs after every migrate; no row is ever changed."""
    try:
        rows = apps.get_model("analysis", "ModelPrice").objects
    except LookupError:  # migrated to before the table
        return
    listed = yaml.safe_load(PRICE_LIST.read_text(encoding="utf-8"))
    exact = [{name: str(value) if isinstance(value, float) else value for name, value in row.items()} for row in listed]
    rows.bulk_create([rows.model(**row) for row in exact], ignore_conflicts=True)
