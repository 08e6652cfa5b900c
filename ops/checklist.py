"""The readiness checklist as data: config/checklist.yaml, read once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import yaml
from django.conf import settings

FILE = settings.BASE_DIR / "config" / "checklist.yaml"
ROLES = {
    "developer": "Sign-off: Developer",
    "qa": "Sign-off: QA",
    "devops": "Sign-off: DevOps",
    "security": "Sign-off: Security",
    "product": "Sign-off: Product",
}  # role to the group whose members hold it


@dataclass(frozen=True)
class Item:
    """One row. `by_probe`, `by_human`: what makes it true; both where the probe comes first and a person confirms."""

    key: str
    title: str
    fix: str
    owner: str
    by_probe: bool
    by_human: bool
    advisory: bool
    fresh: timedelta
    area: str
    gates: bool
    of_release: bool
    leans_on: str  # the duty that has to be done for it to count; "" for none


@dataclass(frozen=True)
class Area:
    """One group of rows. `every`: None where its rows are no recurring duties. `within`: of a deployment; None: no limit."""

    key: str
    title: str
    items: tuple[Item, ...]
    every: timedelta | None
    within: timedelta | None


@dataclass(frozen=True)
class Checklist:
    """The whole document."""

    version: int
    updated: date
    next_review: date
    areas: tuple[Area, ...]

    @property
    def items(self) -> dict[str, Item]:
        """Every row by its key."""
        return {item.key: item for area in self.areas for item in area.items}


@functools.cache
def load() -> Checklist:
    """The checklist. Raises KeyError or ValueError for a file that is not one, which a test holds it to be."""
    found = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    areas = tuple(_area(area) for area in found["areas"])
    checklist = Checklist(int(found["version"]), found["updated"], found["next_review"], areas)
    count = sum(len(area.items) for area in areas)
    if len(checklist.items) != count:
        raise ValueError("a key stands twice in config/checklist.yaml")
    return checklist


def _area(found: dict[str, Any]) -> Area:
    days = found.get("duty_days")
    every = timedelta(days=days) if days else None
    hours = found.get("within_hours")
    within = timedelta(hours=hours) if hours else None
    return Area(found["key"], found["title"], tuple(_item(row, found, every) for row in found["items"]), every, within)


def _item(row: dict[str, Any], area: dict[str, Any], every: timedelta | None) -> Item:
    if row["owner"] not in ROLES or row["by"] not in ("probe", "human", "probe+human"):
        raise ValueError(f"{row['key']}: its owner or what makes it true is unknown")
    fresh = every or timedelta(hours=row.get("fresh_hours", 24))
    return Item(
        key=row["key"],
        title=row["title"],
        fix=row["fix"],
        owner=row["owner"],
        by_probe="probe" in row["by"],
        by_human="human" in row["by"],
        advisory=bool(row.get("advisory")),
        fresh=fresh,
        area=area["key"],
        gates=bool(area.get("gate")),
        of_release=bool(area.get("release")),
        leans_on=row.get("leans_on", ""),
    )
