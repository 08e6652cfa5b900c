"""House rules: proposed from edits that people repeat, decided by a person, told to the models from then on.

A rule is words of our own around the task that shows what is meant, and no model is asked for it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from analysis import edits
from analysis.answers import Plan
from analysis.edits import Decided, Edit, Repeat
from analysis.models import HouseRule, PromptVersion, Settlement
from analysis.pages import shorten
from emm.audit import record
from emm.turns import take_turn

Status, Kind = HouseRule.Status, HouseRule.Kind

REPEATED_IN = 3  # settlements
RECENT = 200  # approved plans that are read for repeated edits, the latest
MOST = 20  # rules that are told to the models, the oldest accepted first
QUOTED = 80  # characters of a task inside a rule
PLAIN = str.maketrans({'"': "'", "`": "'", "<": "(", ">": ")", "{": "(", "}": ")"})

HEADING = (
    "## House rules\n\nPeople of this house accepted these rules, because they had changed earlier plans in the same "
    "way. Keep to them wherever the matter allows it. They never change the form of your answer."
)


def with_house_rules(prompt: PromptVersion) -> PromptVersion:
    """`prompt` as it is sent today: itself while no rule is accepted, else an unsaved one with the rules at its end.

    Its hash then is the beginning of the version's own, a plus sign, and the beginning of the rules' hash: calls with
    and without a rule differ in the ledger, and both still tell their version.
    """
    told, _ = in_force()
    if not told:
        return prompt
    section = "\n".join([HEADING, "", *(f"- {' '.join(rule.text.split())}" for rule in told)])
    digest = hashlib.sha256(section.encode()).hexdigest()
    text = f"{prompt.text.rstrip()}\n\n{section}\n"
    return PromptVersion(name=prompt.name, text=text, hash=f"{prompt.hash[:47]}+{digest[:16]}")


def told_in(text: str) -> str:
    """The house rules at the end of a prompt that with_house_rules() returned; empty where it has none."""
    return text.partition(HEADING)[2]


def in_force() -> tuple[list[HouseRule], list[HouseRule]]:
    """The accepted rules that the models are told, and those that are left out because there are too many."""
    accepted = list(HouseRule.objects.filter(status=Status.ACCEPTED).order_by("decided_at", "pk"))
    return accepted[:MOST], accepted[MOST:]


def told_since(rule: HouseRule, rules: list[HouseRule]) -> datetime | None:
    """When an accepted or retired rule entered the prompts: at once, or when enough older ones of `rules` had retired.

    None: it never did.
    """
    older = [one for one in rules if one.decided_at and (one.decided_at, one.pk) < (rule.decided_at, rule.pk)]
    assert rule.decided_at is not None, "a person decided on it"
    ends = sorted(one.retired_at for one in older if one.retired_at and one.retired_at > rule.decided_at)
    for moment in (rule.decided_at, *ends):
        if sum(one.retired_at is None or one.retired_at > moment for one in older) < MOST:
            return moment
    return None


@transaction.atomic
def propose() -> None:
    """Propose a rule for each edit that at least REPEATED_IN settlements show and that no rule speaks of.

    A refused or retired rule comes back only from as many settlements that it was not proposed from.
    """
    take_turn("analysis.rules")  # two that look at the same edits must not both propose
    plans = decided_plans()
    known = list(HouseRule.objects.prefetch_related("evidence"))
    for repeat in [*edits.repeated(plans), *edits.shifts(plans)]:
        if len(repeat.settlements) < REPEATED_IN:
            continue
        new = _unspoken(repeat, known)
        if len(new.settlements) >= REPEATED_IN:
            _propose(new)


def decided_plans() -> list[Decided]:
    """The latest RECENT approved plans beside what was proposed, oldest first."""
    approved = Settlement.objects.standing().filter(
        status=Settlement.Status.DONE, decision=Settlement.Decision.APPROVED
    )
    rows = approved.order_by("-pk").values_list("pk", "synthesis__plan", "final_plan")[:RECENT]
    return [Decided(pk, Plan.model_validate(plan), Plan.model_validate(final)) for pk, plan, final in reversed(rows)]


def accept(rule: HouseRule, *, by: User, reason: str) -> None:
    """From the next call on the models are told. Raises ValidationError unless the rule awaits a person."""
    _decide(rule, Status.ACCEPTED, {Status.PROPOSED}, by, reason)


def refuse(rule: HouseRule, *, by: User, reason: str) -> None:
    """The models are never told. Raises ValidationError unless the rule awaits a person."""
    _decide(rule, Status.REFUSED, {Status.PROPOSED}, by, reason)


def retire(rule: HouseRule, *, by: User, reason: str) -> None:
    """From the next call on the models are no longer told. Raises ValidationError unless the rule is accepted."""
    _decide(rule, Status.RETIRED, {Status.ACCEPTED}, by, reason)


def _decide(rule: HouseRule, status: HouseRule.Status, from_: set[HouseRule.Status], by: User, reason: str) -> None:
    with transaction.atomic():
        locked = HouseRule.objects.select_for_update().get(pk=rule.pk)
        if locked.status not in from_:
            raise ValidationError(f"This rule is {locked.get_status_display()}: load the page again.")
        before = locked.status
        locked.status, locked.reason = status, reason
        if status == Status.RETIRED:
            locked.retired_at = Now()
        else:
            locked.decided_at, locked.decided_by = Now(), by
        locked.save()
        said = {"status": str(status), "text": locked.text}
        record(f"houserule.{status}", locked, by=by, before={"status": before}, after=said, reason=reason)


def _unspoken(repeat: Repeat, known: list[HouseRule]) -> Repeat:
    """The edits that no rule was proposed from; none where a rule that says the same is proposed or accepted."""
    same = [rule for rule in known if any(edits.alike(rule, edit) for edit in repeat.edits)]
    if any(rule.status in (Status.PROPOSED, Status.ACCEPTED) for rule in same):
        return Repeat([])
    used = {settlement.pk for rule in same for settlement in rule.evidence.all()}
    return Repeat([edit for edit in repeat.edits if edit.settlement not in used])


def _propose(repeat: Repeat) -> None:
    example, settlements = repeat.oldest, repeat.settlements
    parts = [example.kind, example.before, example.after, settlements]
    rule, made = HouseRule.objects.get_or_create(
        fingerprint=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        defaults={"text": _worded(example), "kind": example.kind, "before": example.before, "after": example.after},
    )
    if made:
        rule.evidence.set(settlements)


def _worded(edit: Edit) -> str:
    before, after = _quoted(edit.before), _quoted(edit.after)
    return {
        Kind.REMOVED: f"Leave out tasks like {before}: people remove them.",
        Kind.ADDED: f"Where it fits the matter, include a task like {after}: people add it.",
        Kind.REWORDED: f"Rather than {before}, word such a task like {after}: people reword it so.",
        Kind.SHORTER: "Keep the texts and tasks of the plan shorter: people cut a fifth of the words or more.",
        Kind.LONGER: "Write the texts and tasks of the plan in more detail: people add a quarter of the words or more.",
    }[Kind(edit.kind)]


def _quoted(task: str) -> str:
    """A task as it may stand in a rule: one line, of no one matter, without marks that could be taken for something else."""
    plain = " ".join(edits.unnamed(task).translate(PLAIN).split())
    return f'"{shorten(plain, QUOTED)}"'
