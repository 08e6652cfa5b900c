"""A simulated person at work in Notion, who remembers what they wrote."""

from __future__ import annotations

import random
from typing import Any

from notion_sync import properties, workspace
from notion_sync.mirror import model_of
from notion_sync.models import DataSource, Mirror, PageRead
from tests.world import Sandbox, text

ITEMS = [
    ("Should we acquire our competitor Northwind Ltd for $400,000?", "The loan would bind us for five years."),
    ("Call the bank about the overdraft on Monday", ""),
    ("Note: Ada Lovelace of Analytical Engines Ltd maintains the payments system", "She knows the ledger."),
    ("Remind Sam to renew the insurance by Friday", "Policy 12-B."),
]
DECISIONS = ["Approved", "Approved", "Rejected", "Needs_Revision", "Pending"]


class Person:
    """Edits, decides, duplicates, trashes, restores and renames. `wrote`: their last word by page and property."""

    def __init__(self, sandbox: Sandbox, rng: random.Random) -> None:
        self.sandbox = sandbox
        self.rng = rng
        self.wrote: dict[tuple[str, str], Any] = {}
        self.trashed: dict[str, str] = {}  # page id to the key of its source
        self.sources = {source.key: source for source in DataSource.objects.all()}
        self.log: list[str] = []

    def act(self) -> None:
        deed = self.rng.choice([self.edit, self.edit, self.decide, self.decide, self.route, self.duplicate, self.trash,
                                self.restore, self.rename, self.note])  # fmt: skip
        deed()

    def drop(self) -> None:
        """A new item in the inbox."""
        title, content = self.rng.choice(ITEMS)
        values = {
            "Input_Title": {"title": [{"text": {"content": title}}]},
            **({"Content": text(content)} if content else {}),
        }
        request = {"parent": {"data_source_id": str(self.sources["inbox"].data_source_id)}, "properties": values}
        self.log.append(f"drops {title[:20]} {self.sandbox.as_person('POST', '/pages', request)['id']}")

    def edit(self) -> None:
        page = self._page("inbox")
        if page is not None:
            words = self.rng.choice(["Say more.", "It is urgent now.", "Never mind the money."])
            self.write("inbox", page, Content=text(words))

    def note(self) -> None:
        page = self._page("actions")
        if page is not None:
            self.write("actions", page, User_Notes=text(self.rng.choice(["Think of the staff.", "Ask the lawyer."])))

    def route(self) -> None:
        page = self._page("inbox")
        if page is None:
            return
        if self.rng.random() < 0.5:
            status = self.rng.choice(["Unprocessed", "Skipped", "Needs_Review"])
            self.write("inbox", page, Status={"select": {"name": status}})
        else:
            where = self.rng.choice(["Operational (Task)", "Reference (Node)", "Strategic (Intent)"])
            self.write("inbox", page, Triage_Destination={"select": {"name": where}})

    def decide(self) -> None:
        page = self._page("actions")
        if page is None:
            return
        decision = self.rng.choice(DECISIONS)
        changes: dict[str, Any] = {"Approval_Status": {"select": {"name": decision}}}
        if self.rng.random() < 0.5:
            changes["Task_Generation_Template"] = text(self.rng.choice(["Call the bank", "Call\nWrite\nWait"]))
        if self.rng.random() < 0.3:
            changes["Recommended_Option"] = {"select": {"name": self.rng.choice(["Option A", "Option C"])}}
        self.write("actions", page, **changes)

    def duplicate(self) -> None:
        """As the menu of a page does it: the copy carries our key."""
        key = self.rng.choice(["inbox", "tasks", "actions", "intents", "nodes"])
        page = self._page(key)
        if page is None:
            return
        found = self.sandbox.as_person("GET", f"/pages/{page.page_id}")["properties"]
        kept = {
            prop["id"]: properties.write(prop["type"], properties.read(prop))
            for prop in found.values()
            if prop["type"] in ("title", "rich_text", "select", "number", "checkbox", "relation")
            and not (prop["type"] == "relation" and self._other_side(key, prop["id"]))
        }
        request = {"parent": {"data_source_id": str(self.sources[key].data_source_id)}, "properties": kept}
        self.log.append(f"duplicates {page.page_id} as {self.sandbox.as_person('POST', '/pages', request)['id']}")

    def _other_side(self, key: str, property_id: str) -> bool:
        declared = workspace.DATABASES[key].properties
        return any(d.other_side_of and self.sources[key].property_ids.get(d.name) == property_id for d in declared)

    def trash(self) -> None:
        key = self.rng.choice(["inbox", "tasks", "actions", "log"])
        page = self._page(key)
        if page is not None:
            self.sandbox.as_person("PATCH", f"/pages/{page.page_id}", {"in_trash": True})
            self._told(key, str(page.page_id))
            self.trashed[str(page.page_id)] = key
            self.log.append(f"trashes {key} {page.page_id}")

    def restore(self) -> None:
        if self.trashed:
            page_id = self.rng.choice(sorted(self.trashed))
            self.sandbox.as_person("PATCH", f"/pages/{page_id}", {"in_trash": False})
            self._told(self.trashed.pop(page_id), page_id)
            self.log.append(f"restores {page_id}")

    def rename(self) -> None:
        """A property, in the workspace."""
        key, name = self.rng.choice([("intents", "Area"), ("tasks", "Priority"), ("inbox", "Depth")])
        source = self.sources[key]
        new = {"properties": {source.property_ids[name]: {"name": f"{name} {self.rng.randrange(1000)}"}}}
        self.sandbox.as_person("PATCH", f"/data_sources/{source.data_source_id}", new)
        self.log.append(f"renames {name} of {key}")

    def write(self, key: str, page: Mirror, **values: Any) -> None:
        ids = self.sources[key].property_ids
        sent = {ids[name]: value for name, value in values.items()}
        self.sandbox.as_person("PATCH", f"/pages/{page.page_id}", {"properties": sent})
        for name, value in values.items():
            self.wrote[str(page.page_id), ids[name]] = properties.canonical(value)
        self.log.append(f"writes {sorted(values)} on {key} {page.page_id}")

    def _page(self, key: str) -> Mirror | None:
        """A live page that they can see."""
        rows = model_of(key)._default_manager.exclude(page_id=None).order_by("pk")
        pages = [row for row in rows if str(row.page_id) not in self.trashed]
        live = [row for row in pages if not row.in_trash]
        return self.rng.choice(live) if live else None

    def _told(self, key: str, page_id: str) -> None:
        """Notion's event about the trash, which no query tells of."""
        PageRead.objects.filter(source=self.sources[key], page_id=page_id, status="waiting").delete()
        PageRead.objects.create(source=self.sources[key], page_id=page_id)
