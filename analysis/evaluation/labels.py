"""The labelled inbox: analysis/evaluation/items.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from analysis.answers import Line, Route
from notion_sync.models import InboxItem

FILE = Path(__file__).parent / "items.yaml"


class Label(BaseModel):
    """One item and what a careful reader says about it. `mentions`: points, each by words of which one has to occur."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,40}$")]
    route: Route
    title: Line
    text: str = ""
    source: str = ""
    urgent: bool = False
    thin: bool = False
    injection: bool = False
    best: Literal["A", "B", "C"] | None = None
    mentions: list[list[str]] = []

    def item(self) -> InboxItem:
        """The item as an inbox page would give it. It is never saved."""
        values = {"Source": self.source, "Urgent": self.urgent}
        return InboxItem(title=self.title, body=self.text, values=values)


@cache
def labels() -> tuple[Label, ...]:
    """All of them, in the order of the file. Raises ValueError for a file that breaks its own rules."""
    found = TypeAdapter(tuple[Label, ...]).validate_python(yaml.safe_load(FILE.read_text(encoding="utf-8")))
    ids = [label.id for label in found]
    if len(set(ids)) != len(ids):
        raise ValueError("two labels have the same id")
    wrong = [one.id for one in found if one.best and (one.route != Route.STRATEGIC or not one.mentions)]
    if wrong:
        raise ValueError(f"only strategic items are argued about, and need mentions: {', '.join(wrong)}")
    return found
