"""The outside world as tests see it: the sandbox, a person at work in it, and the stages run to a standstill."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import httpx
from django.db import connection
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from emm import schedule, tasks
from notion_sync.models import Action, DataSource, PollCycle
from notion_sync.workspace import DATABASES

VERSION = "2026-03-11"
# The stages that an item passes; those that look after the workspace run where a test asks for them.
WAY = (
    "page", "window", "body", "triage", "argue", "synthesise", "collect", "replay", "deliver", "advance", "settle", "execute",
    "outcome",
)  # fmt: skip


class Sandbox:
    """The sandbox process, spoken to through its control routes and, as a person, through Notion's API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.notion_url = f"{url}/notion"
        self.claude_url = f"{url}/claude"
        self.http = httpx.Client(base_url=url, timeout=30)
        self.root_page_id = ""

    def is_up(self) -> bool:
        try:
            return self.http.get("/control/info").is_success
        except httpx.TransportError:
            return False

    def reset(self) -> None:
        self.control("reset")
        self.http.post("/claude/control/reset").raise_for_status()
        self.root_page_id = self.info()["root_page_id"]

    def info(self) -> dict[str, Any]:
        return dict(self.http.get("/control/info").raise_for_status().json())

    def control(self, path: str, json: Any = None) -> Any:
        return self.http.post(f"/control/{path}", json=json or {}).raise_for_status().json()

    def claude(self, **json: Any) -> Any:
        return self.http.post("/claude/control", json=json).raise_for_status().json()

    def claude_state(self) -> Any:
        return self.http.get("/claude/control").raise_for_status().json()

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        answer = self.http.get("/control/log", params={"since": since}).raise_for_status().json()
        return list(answer["requests"])

    def as_person(self, method: str, path: str, json: Any = None) -> Any:
        """One call of Notion's API, made as a person."""
        headers = {"Authorization": "Bearer person", "Notion-Version": VERSION}
        answer = self.http.request(method, f"/notion/v1{path}", json=json, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def age(self, page_id: Any = None, seconds: int = 180) -> None:
        """Let time pass for one page or for all: their minute has closed."""
        self.control("age", {"seconds": seconds, **({"page_id": str(page_id)} if page_id else {})})


def text(content: str) -> dict[str, Any]:
    """A text property as Notion's API takes it, in pieces of 2,000 characters."""
    pieces = [content[i : i + 2000] for i in range(0, len(content), 2000)]
    return {"rich_text": [{"text": {"content": piece}} for piece in pieces]}


def add_item(sandbox: Sandbox, title: str, content: str = "", body: str = "", **values: Any) -> str:
    """An inbox page as a person makes it. Returns its id."""
    source = DataSource.objects.get(key="inbox")
    properties = {
        "Input_Title": {"title": [{"text": {"content": title}}] if title else []},
        **({"Content": text(content)} if content else {}),
        **values,
    }
    request: dict[str, Any] = {"parent": {"data_source_id": str(source.data_source_id)}, "properties": properties}
    if body:
        request["children"] = [{"type": "paragraph", "paragraph": text(body)}]
    return str(sandbox.as_person("POST", "/pages", request)["id"])


def decide(sandbox: Sandbox, action: Action, status: str, *, wait: bool = True, **texts: str) -> None:
    """Decide on a proposal as a person does in Notion, and wait until the minute of the edit has closed."""
    selects = {"Recommended_Option", "Rejection_Reason"}
    properties = {
        name: {"select": {"name": value}} if name in selects else text(value) for name, value in texts.items()
    }
    properties["Approval_Status"] = {"select": {"name": status}}
    sandbox.as_person("PATCH", f"/pages/{action.page_id}", {"properties": properties})
    if wait:
        sandbox.age(action.page_id, 61)
        Action.objects.filter(pk=action.pk).update(last_edited_time=Now() - timedelta(minutes=5))


def run_stage(name: str) -> int:
    """One sweep of one stage, its rows run here one after the other. Returns how many were."""
    stage = schedule.STAGES[name]
    if stage.opens:
        import_string(stage.opens)()
    if not stage.model:
        return 0
    model = tasks.job_model(stage)
    model.reap()
    count = 0
    for pk in list(model.objects.due().order_by("due_at").values_list("pk", flat=True)):
        job = model.claim(pk)
        if job is not None:
            job.attempt(import_string(stage.verb))
            count += 1
    return count


def run(names: Iterable[str], rounds: int = 30) -> None:
    """Sweep the named stages until none has anything to do."""
    names = list(names)
    for _ in range(rounds):
        if not sum(run_stage(name) for name in names):
            return
    raise AssertionError("the stages did not come to rest")


def poll_now() -> None:
    """Mirror what changed in the sources that every cycle asks: the inbox and the action pipes."""
    _poll(key for key, database in DATABASES.items() if database.each_cycle)


def poll_everything() -> None:
    """Mirror what changed in all ten databases."""
    _poll(DATABASES)


def _poll(keys: Iterable[str]) -> None:
    for source in DataSource.objects.filter(key__in=list(keys), hold=""):
        PollCycle.open(source, PollCycle.Trigger.PERSON)
    run(["poll", "window", "body"])


def work() -> None:
    """Run everything that is due for items to a standstill, without asking Notion for changes."""
    run(WAY)


def someone_waits_for_us() -> bool:
    """Whether another connection waits for a lock that this one's transaction holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])
