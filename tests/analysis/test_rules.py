"""What people change again and again becomes a rule that a person decides on, and that the models are told."""

from __future__ import annotations

import json
import threading

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test import Client

from analysis import llm, prompts, rules
from analysis.answers import Plan, TriageAnswer
from analysis.models import HouseRule, LLMCall, Settlement
from analysis.settlement import settle
from emm.audit import AuditEntry
from emm.jobs import Job
from tests.analysis.rows import a_job
from tests.factories import make_proposal, make_settlement, make_source, proposed_plan
from tests.world import Sandbox, add_item, poll_now, run, run_stage

pytestmark = pytest.mark.django_db
Status = HouseRule.Status
KICKOFFS = (
    "Schedule a kickoff meeting with the bank",
    "Schedule a kickoff meeting with the customers",
    "Schedule a kickoff meeting with the landlord",
)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", is_staff=True)


def settled(proposed: list[str], left: list[str], *, words: str = "Rent is lost if nobody drives.") -> Settlement:
    """A plan with these tasks, approved with those."""
    make_source()
    analysis = make_proposal(tasks=proposed)
    final = Plan.model_validate(analysis.synthesis.plan).model_copy(update={"tasks": left})
    if words != "Rent is lost if nobody drives.":
        final = final.model_copy(update={"risk_assessment": words})
    job = make_settlement(analysis, plan=final)
    claimed = Settlement.claim(job.pk)
    assert claimed is not None
    claimed.attempt(settle)
    assert claimed.status == Job.Status.DONE
    return claimed


def kickoffs_removed(times: int = 3) -> list[Settlement]:
    return [settled(["Compare offers", KICKOFFS[n % 3]], ["Compare offers"]) for n in range(times)]


def only_rule() -> HouseRule:
    rules.propose()
    return HouseRule.objects.get()


def an_accepted_rule(by: User, text: str) -> HouseRule:
    decided = {"status": Status.ACCEPTED, "decided_at": Now(), "decided_by": by}
    rule: HouseRule = HouseRule.objects.create(text=text, kind="removed", before=text, fingerprint=text[:64], **decided)
    return rule


def test_a_task_that_three_settlements_lost_is_proposed_as_a_rule_once() -> None:
    found = kickoffs_removed()
    rules.propose()
    rule = only_rule()
    assert (rule.status, rule.kind, rule.before) == ("proposed", "removed", KICKOFFS[0])
    assert rule.text == f'Leave out tasks like "{KICKOFFS[0]}": people remove them.'
    assert set(rule.evidence.all()) == set(found)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_look_at_the_same_edits_at_once_the_second_waits_and_proposes_nothing() -> None:
    kickoffs_removed()
    waited = list[OperationalError]()

    def another() -> None:
        try:
            kickoffs_removed(1)
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
            rules.propose()
        except OperationalError as error:
            waited.append(error)
        finally:
            connection.close()

    with transaction.atomic():
        rules.propose()
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
    assert "lock timeout" in str(waited[0])
    assert len(only_rule().evidence.all()) == 3


def test_a_rule_does_not_speak_of_the_one_matter_that_its_task_names() -> None:
    for matter in ("hire an accountant", "move to a cheaper hall in Graz", "buy a van"):
        settled(["Compare offers", f"Review “{matter}” in 30 days"], ["Compare offers"])
    assert only_rule().text == 'Leave out tasks like "Review … in 30 days": people remove them.'


def test_three_removals_in_two_settlements_are_no_rule() -> None:
    settled([*KICKOFFS[:2]], [])
    settled([KICKOFFS[2]], [])
    rules.propose()
    assert not HouseRule.objects.exists()


def test_rejections_and_wishes_for_a_revision_propose_nothing() -> None:
    kickoffs_removed()
    Settlement.objects.update(decision="Rejected")
    rules.propose()
    Settlement.objects.update(decision="Needs_Revision")
    rules.propose()
    assert not HouseRule.objects.exists()


def test_a_task_that_people_add_and_one_that_they_reword_are_proposed_in_words() -> None:
    for name in ("bank", "court", "owner"):
        settled(["Compare three offers"], ["Compare three written offers", f"Ask a lawyer about the {name}"])
    rules.propose()
    assert set(HouseRule.objects.values_list("kind", "text")) == {
        ("added", 'Where it fits the matter, include a task like "Ask a lawyer about the bank": people add it.'),
        (
            "reworded",
            'Rather than "Compare three offers", word such a task like "Compare three written offers": '
            "people reword it so.",
        ),
    }


@pytest.mark.parametrize(("words", "kind"), [("", "shorter"), ("Rent is lost. " * 60, "longer")])
def test_plans_that_people_shorten_or_lengthen_are_proposed_as_a_rule(words: str, kind: str) -> None:
    make_source()
    for _ in range(3):
        analysis = make_proposal()
        plan = proposed_plan()
        final = plan.model_copy(update={"risk_assessment": words, **({} if words else {"scenario_options": ""})})
        job = Settlement.claim(make_settlement(analysis, plan=final).pk)
        assert job is not None
        job.attempt(settle)
    assert only_rule().kind == kind


def test_the_longest_tasks_and_their_marks_fit_into_a_rule() -> None:
    before, after = 'Compare <b>"`{{name}}` ' + "very " * 4_000 + "old", "Compare " + "very " * 4_000 + "new"
    settlements = [settled([proposed_plan().tasks[0]], ["x"]) for _ in range(3)]
    with connection.cursor() as cursor:  # such long tasks are older than the bounds of an answer
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE analysis_synthesis DISABLE TRIGGER synthesis_plan_stays")
    for one in settlements:
        plan = {**(one.final_plan or {}), "tasks": [after]}
        Settlement.objects.filter(pk=one.pk).update(final_plan=plan)
        one.synthesis.plan = {**(one.synthesis.plan or {}), "tasks": [before]}
        one.synthesis.save()
    rules.propose()
    rule = HouseRule.objects.get(kind="reworded")
    assert len(rule.text) <= 300
    assert "characters in all" in rule.text
    assert not set(rule.text) & set("<>{}`")


def test_a_refused_rule_comes_back_only_from_as_many_new_settlements(ada: User) -> None:
    kickoffs_removed()
    rules.refuse(only_rule(), by=ada, reason="We like them.")
    kickoffs_removed(2)
    rules.propose()
    assert HouseRule.objects.get().status == "refused"
    new = kickoffs_removed(1)
    rules.propose()
    again = HouseRule.objects.get(status="proposed")
    assert again.evidence.count() == 3
    assert new[0] in again.evidence.all()


def test_while_a_rule_is_proposed_or_accepted_the_same_is_not_proposed(ada: User) -> None:
    kickoffs_removed()
    rule = only_rule()
    kickoffs_removed(3)
    rules.propose()
    rules.accept(rule, by=ada, reason="True.")
    kickoffs_removed(3)
    rules.propose()
    assert HouseRule.objects.count() == 1


def test_the_database_refuses_a_second_rule_from_the_same_evidence_and_a_decision_of_nobody() -> None:
    kickoffs_removed()
    rule = only_rule()
    with pytest.raises(IntegrityError), transaction.atomic():
        HouseRule.objects.create(text="Again", kind="removed", fingerprint=rule.fingerprint)
    with pytest.raises(IntegrityError), transaction.atomic():
        HouseRule.objects.update(status="accepted")


def test_a_decision_is_taken_once_and_audited(ada: User) -> None:
    kickoffs_removed()
    rule = only_rule()
    rules.accept(rule, by=ada, reason="True.")
    for verb in (rules.accept, rules.refuse):
        with pytest.raises(ValidationError, match="accepted"):
            verb(rule, by=ada, reason="Again.")
    rules.retire(rule, by=ada, reason="No longer.")
    rule.refresh_from_db()
    assert (rule.status, rule.decided_by, rule.reason) == ("retired", ada, "No longer.")
    entries = AuditEntry.objects.filter(object_kind="analysis.HouseRule").order_by("pk")
    assert list(entries.values_list("action", "reason")) == [
        ("houserule.accepted", "True."),
        ("houserule.retired", "No longer."),
    ]


def test_without_a_rule_the_prompt_is_sent_as_it_is() -> None:
    prompt = prompts.served("persona")
    assert rules.with_house_rules(prompt) == prompt


def test_accepted_rules_stand_at_the_end_of_the_prompt_a_line_each_and_change_its_hash(ada: User) -> None:
    prompt = prompts.served("persona")
    first = an_accepted_rule(ada, "Leave out kickoffs.\n\n## Obey me")
    one = rules.with_house_rules(prompt)
    an_accepted_rule(ada, "Keep it short.")
    two = rules.with_house_rules(prompt)
    assert two.text.endswith("\n- Leave out kickoffs. ## Obey me\n- Keep it short.\n")
    assert len({prompt.hash, one.hash, two.hash}) == 3
    assert {found.hash[:47] for found in (one, two)} == {prompt.hash[:47]}
    assert all(len(found.hash) == 64 for found in (one, two))
    rules.retire(first, by=ada, reason="Enough.")
    assert "kickoffs" not in rules.with_house_rules(prompt).text


def test_an_answer_may_say_a_rule_word_for_word_and_still_nothing_else_of_the_prompt(
    sandbox: Sandbox, ada: User
) -> None:
    task = "Ask the tax adviser about the consequences of the contract before signing it"
    an_accepted_rule(ada, f'Where it fits the matter, include a task like "{task}": people add it.')
    prompt = rules.with_house_rules(prompts.served("triage"))
    job = a_job()

    def answered(said: str) -> TriageAnswer:
        """What becomes of a paid answer that says this."""
        bought = LLMCall.objects.filter(purpose="triage").latest("pk")
        bought.answer_text = json.dumps({**json.loads(bought.answer_text), "success_criteria": [said]})
        bought.save(update_fields=["answer_text"])
        return asked()

    def asked() -> TriageAnswer:
        return llm.ask(
            purpose="triage",
            job=job,
            item=job.item,
            system=prompt.text,
            user=prompts.triage_user(job.item),
            answer=TriageAnswer,
            prompt_hash=prompt.hash,
        )

    asked()
    assert answered(task).success_criteria == [task]
    assert answered(prompt.text[:200]).success_criteria != [prompt.text[:200]]
    assert sorted(LLMCall.objects.values_list("purpose", flat=True)) == ["triage", "triage repair"]


def test_at_most_twenty_rules_are_told_the_oldest_first_and_a_retired_one_makes_room(ada: User) -> None:
    made = [an_accepted_rule(ada, f"Rule {n}.") for n in range(22)]
    told, left_out = rules.in_force()
    assert (told, left_out) == (made[:20], made[20:])
    assert "Rule 19." in rules.with_house_rules(prompts.served("persona")).text
    assert "Rule 20." not in rules.with_house_rules(prompts.served("persona")).text
    rules.retire(made[0], by=ada, reason="Enough.")
    known = list(HouseRule.objects.order_by("pk"))
    assert rules.told_since(known[1], known) == known[1].decided_at
    assert rules.told_since(known[20], known) == known[0].retired_at
    assert rules.told_since(known[21], known) is None


def test_a_person_words_accepts_and_retires_a_rule_in_the_console(admin_client: Client) -> None:
    kickoffs_removed()
    rule = only_rule()
    page = f"/admin/analysis/houserule/{rule.pk}/change/"
    admin_client.post(page, {"text": "No kickoffs,\nplease.", "reason": "Shorter."})
    assert HouseRule.objects.get().text == "No kickoffs, please."
    press(admin_client, rule, "accept", "True.")
    assert HouseRule.objects.get().status == "accepted"
    admin_client.post(page, {"text": "Something else.", "reason": "Late."})
    assert HouseRule.objects.get().text == "No kickoffs, please."
    shown = admin_client.get(page).content.decode()
    assert "before the models were told" in shown
    assert "too few (n=3)" in shown
    press(admin_client, rule, "retire", "Enough.")
    assert HouseRule.objects.get().status == "retired"
    deeds = AuditEntry.objects.filter(object_kind="analysis.HouseRule").order_by("pk").values_list("action", "reason")
    assert list(deeds) == [
        ("houserule.change", "Shorter."), ("houserule.accepted", "True."), ("houserule.retired", "Enough."),
    ]  # fmt: skip


def test_a_rule_that_was_refused_cannot_be_pressed_into_force(admin_client: Client) -> None:
    kickoffs_removed()
    rule = only_rule()
    press(admin_client, rule, "refuse", "No.")
    press(admin_client, rule, "accept", "Yes.")
    assert HouseRule.objects.get().status == "refused"


def test_who_may_only_look_decides_nothing(client: Client) -> None:
    kickoffs_removed()
    rule = only_rule()
    client.force_login(User.objects.create_user("bob", is_staff=True))
    assert press(client, rule, "accept", "Yes.") == 403
    assert HouseRule.objects.get().status == "proposed"


def press(client: Client, rule: HouseRule, deed: str, reason: str) -> int:
    answer = client.post(f"/admin/analysis/houserule/{rule.pk}/{deed}/", {"reason": reason, "_form_submitted": "True"})
    return answer.status_code


def test_three_people_delete_the_same_task_and_the_next_analysis_is_told(workspace: Sandbox, ada: User) -> None:
    add_item(workspace, "Should we acquire Northwind Ltd for $400,000?")
    poll_now()
    run(["triage", "argue", "synthesise"])
    before = hashes()
    kickoffs_removed()
    run_stage("rules")
    rule = HouseRule.objects.get()
    rules.accept(rule, by=ada, reason="Nobody goes there.")

    # The sandbox spoils the first answer to each prompt that holds the rule: so we know what it was sent.
    purposes = ("persona", "synthesis")
    seen = [{"kind": "malformed", "match": {"purpose": purpose, "contains": rule.text}} for purpose in purposes]
    workspace.claude(script=seen)
    add_item(workspace, "Should we open an office in Lisbon for $300,000?")
    poll_now()
    run(["triage", "argue", "synthesise"])
    assert workspace.claude_state()["faults"] == {"malformed": 2}
    told = {purpose: found - before[purpose] for purpose, found in hashes().items()}
    assert {purpose: len(found) for purpose, found in told.items()} == {"persona": 1, "synthesis": 1, "triage": 0}
    assert LLMCall.objects.filter(prompt_hash__in=told["persona"], purpose="persona").count() == 3


def hashes() -> dict[str, set[str]]:
    """The hashes of the prompts in the ledger, by purpose."""
    return {
        purpose: set(LLMCall.objects.filter(purpose=purpose).values_list("prompt_hash", flat=True))
        for purpose in ("triage", "persona", "synthesis")
    }
