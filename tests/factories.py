"""Rows and answers for tests. What a test does not name has a value that does not matter to it."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any, Literal

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from analysis.agreement import Conflict
from analysis.answers import Option, Persona, PerspectiveAnswer, Plan, Resources, SynthesisAnswer, TriageAnswer
from analysis.models import Analysis, Perspective, Settlement, Synthesis, Triage
from analysis.pages import action_values, intent_values, plan_of, plan_values
from emm.jobs import Job
from notion_sync import properties, workspace
from notion_sync.models import Action, DataSource, InboxItem, Intent, Mirror
from ops.models import Channel

DEAF = "json://127.0.0.1:9"  # nobody listens there
TODAY = date(2026, 11, 20)
STANCES = {"entrepreneur": ("go", "Option A"), "quant": ("wait", "Option B"), "auditor": ("stop", "Option C")}


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


def staff(*permissions: str, name: str = "ada") -> Client:
    """The console as somebody with these permissions and no others sees it."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def make_channel(name: str = "team", url: str = DEAF, **fields: bool | str) -> Channel:
    """A channel; where nothing else is said one that takes nothing, since nobody listens there."""
    channel = Channel(name=name, **fields)
    channel.url = url
    channel.save()
    return channel


def options(owner: str) -> list[Option]:
    """Three options in the words of their owner."""
    names: dict[Literal["Option A", "Option B", "Option C"], str] = {
        "Option A": "Buy the van",
        "Option B": "Rent the van",
        "Option C": "Keep walking",
    }
    return [
        Option(
            label=label,
            name=name,
            description=f"{name}, says the {owner}.",
            pros=[f"{name} is quick"],
            cons=[f"{name} costs something", f"{name} takes nerve"],
            does_nothing=label == "Option C",
            risk=place,
            impact=10 - place,
        )
        for place, (label, name) in enumerate(names.items(), start=1)
    ]


def perspective_answer(persona: str = "quant", **changes: Any) -> PerspectiveAnswer:
    stance, recommended = STANCES[persona]
    fields: dict[str, Any] = {
        "options": options(persona),
        "assumptions": [f"The {persona} assumes that petrol stays cheap"],
        "resources": Resources(time=f"two {persona} weeks", money="400 EUR", tools="a calculator", people="one driver"),
        "tasks": [f"Ask the {persona}", "Compare three offers"],
        "payoffs": [],
        "reject": "none",
        "reject_reason": "",
        "would_change_my_mind": f"A price below 100 EUR, says the {persona}",
        "rationale": f"The {persona} has thought about it for long.",
        "stance": stance,
        "recommended": recommended,
        "confidence": 0.7,
    }
    return PerspectiveAnswer(**{**fields, **changes})


def synthesis_answer(**changes: Any) -> SynthesisAnswer:
    fields: dict[str, Any] = {
        "options": options("synthesis"),
        "conflicts": [{"topic": "Petrol", "positions": "The Quant expects a rise, The Entrepreneur does not care."}],
        "dissent": "The van rusts before it pays, says The Auditor.",
        "premortem": ["Nobody had a licence", "The engine failed"],
        "risk_assessment": "Rent is lost if nobody drives.",
        "resources": Resources(time="a week", money="200 EUR", tools="a phone", people="one driver"),
        "tasks": ["Compare three offers", "Sign for one month", "Tell the customers"],
        "success_criteria": ["Ten deliveries a week", "No complaint in a month"],
        "kill_criteria": [
            {"metric": "Deliveries a week", "threshold": "fewer than five", "within_days": 30, "owner": "Ana"}
        ],
        "review_in_days": 60,
        "prediction": "Ten deliveries a week are made",
        "prediction_probability": 0.6,
        "next_test": "Rent a van for one day.",
        "reversibility": "Two-way door",
        "decision": "Rent the van for a month, then look again.",
        "recommended": "Option B",
        "confidence": 0.72,
    }
    return SynthesisAnswer(**{**fields, **changes})


def proposed_plan() -> Plan:
    return plan_of(synthesis_answer(), TODAY)


def triage_answer(**changes: Any) -> TriageAnswer:
    fields: dict[str, Any] = {
        "reasoning": "It commits money.",
        "title": "Should we buy a van?",
        "route": "strategic",
        "lead_persona": "quant",
        "risk": "Medium",
        "impact": 7,
        "area": "Operations",
        "concepts": [],
        "success_criteria": ["Ten deliveries a week"],
        "confidence": 0.9,
    }
    return TriageAnswer(**{**fields, **changes})


def make_source(key: str = "actions", **fields: Any) -> DataSource:
    """A data source that was mirrored and polled just now."""
    now = database_now()
    began = {"mirrored_at": now, "polled_at": now, "cursor": now}
    defaults = {"database_id": uuid.uuid4(), "data_source_id": uuid.uuid4(), **began}
    return DataSource.objects.update_or_create(key=key, defaults={**defaults, **fields})[0]


def make_item(title: str = "Should we buy a van?", **fields: Any) -> InboxItem:
    values = {"Input_Title": title, "Content": "We walk to every customer."}
    item = _mirrored(InboxItem, values, {"emm_id": None, **fields})
    assert isinstance(item, InboxItem)
    return item


def make_proposal(
    item: InboxItem | None = None, personas: tuple[str, ...] = tuple(STANCES), revision: int = 1, **changes: Any
) -> Analysis:
    """An analysis that was argued and written to Notion, and now awaits a person. `changes`: of the synthesis."""
    item = item or make_item(state=InboxItem.State.PROPOSED)
    triage, answer = triage_answer(), synthesis_answer(**changes)
    said = {"answer": triage.model_dump(mode="json"), "route": triage.route, "confidence": triage.confidence}
    Triage.objects.get_or_create(item=item, defaults={"status": Job.Status.DONE, **said})
    values = intent_values(
        triage, answer, Conflict.MAJOR, description="A van?", created=database_now(), source=str(item.page_id)
    )
    intent = _mirrored(Intent, values)
    plan = plan_of(answer, TODAY)
    values = action_values(plan, title="Van: a plan", intent=str(intent.page_id))
    action = _mirrored(Action, values, {"approval_status": "Pending"})
    assert isinstance(intent, Intent)
    assert isinstance(action, Action)
    analysis = Analysis.objects.create(
        item=item, revision=revision, lead=Persona.QUANT, item_digest="", intent=intent, action=action
    )
    for persona in personas:
        spoken = perspective_answer(persona).model_dump(mode="json")
        Perspective.objects.create(analysis=analysis, persona=persona, answer=spoken, status=Job.Status.DONE)
    synthesised = {"answer": answer.model_dump(mode="json"), "plan": plan.model_dump(mode="json")}
    Synthesis.objects.create(analysis=analysis, status=Job.Status.DONE, **synthesised)
    return analysis


def decide(analysis: Analysis, status: str = "Approved", plan: Plan | None = None, **values: Any) -> Action:
    """The Action page as the poll finds it after a person decided, three minutes ago: that minute has closed."""
    action = analysis.action
    assert action is not None
    changed = {"Approval_Status": status, **(plan_values(plan) if plan else {}), **values}
    action.values = {**action.values, **changed}
    action.properties = {**action.properties, **_properties(Action, changed)}
    action.approval_status = status
    action.last_edited_time = (database_now() - timedelta(minutes=3)).replace(second=0, microsecond=0)
    action.save()
    return action


def make_settlement(
    analysis: Analysis, status: str = "Approved", plan: Plan | None = None, **values: Any
) -> Settlement:
    """A decision that was found, and awaits its settling."""
    action = decide(analysis, status, plan, **values)
    return Settlement.objects.create(action=action, synthesis=analysis.synthesis)


def _mirrored(model: type[Mirror], values: dict[str, Any], fields: dict[str, Any] | None = None) -> Mirror:
    """A page as the mirror knows it."""
    title = next(p.name for p in workspace.DATABASES[model.key].properties if p.type == "title")
    earlier = database_now() - timedelta(minutes=10)
    defaults: dict[str, Any] = {
        "page_id": uuid.uuid4(),
        "emm_id": uuid.uuid4(),
        "title": values[title],
        "values": values,
        "properties": _properties(model, values),
        "ours": model is not InboxItem,
        "created_time": earlier,
        "last_edited_time": earlier,
    }
    return model._default_manager.create(**{**defaults, **(fields or {})})


def _properties(model: type[Mirror], values: dict[str, Any]) -> dict[str, Any]:
    declared = workspace.DATABASES[model.key]
    return {name: properties.write(declared.property(name).type, value) for name, value in values.items()}
