"""Wordings of prompts: drafted within bounds, promoted after a replay or with a reason, taken back, and seeded by releases."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from analysis import prompt_versions, prompts
from analysis.models import LLMCall, PromptVersion, Triage
from analysis.prompt_versions import difference
from emm.audit import AuditEntry
from tests.analysis.rows import an_item
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seed files that a test may change, as a release does."""
    for path in prompts.SEEDS.glob("*.md"):
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr(prompts, "SEEDS", tmp_path)
    return tmp_path


def reworded(name: str = "triage", more: str = "Be brief.") -> PromptVersion:
    return prompt_versions.draft(name, f"{prompt_versions.seed(name)}\n{more}", by="ana", why="Shorter answers.")


def served(name: str = "triage") -> str:
    return prompts.served(name).hash


# Drafts


@pytest.mark.parametrize("name", ["persona", "rebuttal", "synthesis", "triage"])
def test_every_seed_is_a_sound_wording(name: str) -> None:
    assert prompt_versions.problems(name, prompt_versions.seed(name)) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("persona", "{{charge}}", "your charge", "{{charge}} is missing"),
        ("persona", "{{opposes}}", "{{opponents}}", "{{opponents}} is nothing that we fill in"),
        ("synthesis", "<opinion>", "opinion", "<opinion> is missing"),
        ("triage", "<item>", "", "<item> is missing"),
        ("triage", "\n", "\n" + "x" * 20_000, "at most 20,000 are sent"),
        ("triage", "\n", "\n\u200b", "characters that nobody can see"),
        ("triage", "\n", "\n\x00", "characters that nobody can see"),
        ("nobody", "", "", "no such prompt"),
    ],
)
def test_a_wording_that_would_break_the_program_is_no_draft(name: str, old: str, new: str, problem: str) -> None:
    text = prompt_versions.seed(name).replace(old, new) if name != "nobody" else "Hello."
    with pytest.raises(ValidationError) as refused:
        prompt_versions.draft(name, text, by="ana", why="Bad.")
    assert problem in " ".join(refused.value.messages)
    assert not PromptVersion.objects.exists()


def test_a_draft_is_not_served_and_can_be_reworded_until_it_is() -> None:
    before = served()
    mine = reworded()
    assert served() == before
    prompt_versions.reword(mine, f"{mine.text}\r\nStill briefer.\r\n\r\n", by="ana", why="More so.")
    mine.refresh_from_db()
    assert mine.text.endswith("Be brief.\n\nStill briefer.\n")
    prompt_versions.promote(mine, by="ana", reason="Go.", without_replay="There are no decisions yet.")
    with pytest.raises(ValidationError, match="tried or served"):
        prompt_versions.reword(mine, "Other.", by="ana", why="Late.")


def test_the_same_wording_is_kept_once() -> None:
    prompts.served("triage")
    with pytest.raises(ValidationError, match="there already"):
        prompt_versions.draft("triage", prompt_versions.seed("triage").replace("\n", "\r\n"), by="ana", why="Same.")


@given(st.lists(st.sampled_from("ab \n"), max_size=60), st.lists(st.sampled_from("ab \n"), max_size=60))
def test_a_difference_holds_all_that_came_and_all_that_went(old: list[str], new: list[str]) -> None:
    pieces = difference("".join(old), "".join(new))
    if not any(piece.kind == "left" for piece in pieces):
        assert "".join(piece.text for piece in pieces if piece.kind != "added") == "".join(old)
        assert "".join(piece.text for piece in pieces if piece.kind != "removed") == "".join(new)
    assert (old == new) == all(piece.kind in ("same", "left") for piece in pieces)


def test_a_difference_of_long_texts_shows_the_change_and_a_little_around_it() -> None:
    words = [f"word{n}" for n in range(2_000)]
    pieces = difference(" ".join(words), " ".join([*words[:1_000], "NEW", *words[1_000:]]))
    assert [piece.kind for piece in pieces] == ["left", "same", "added", "same", "left"]
    assert sum(len(piece.text) for piece in pieces) < 250


# Into service and back


def asked() -> str:
    """The hash in the ledger of the next triage's call."""
    an_item(f"Question {Triage.objects.count()}?")
    run_stage("triage")
    return LLMCall.objects.latest("pk").prompt_hash


def test_the_very_next_call_carries_what_was_promoted_and_after_a_rollback_what_was_before(sandbox: Sandbox) -> None:
    first = asked()
    mine = reworded(more="Mention pelicans.")
    prompt_versions.promote(mine, by="ana", reason="Better.", without_replay="An emergency.")
    sandbox.claude(script=[{"kind": "malformed", "match": {"purpose": "triage", "contains": "Mention pelicans."}}])
    assert asked() == mine.hash != first
    assert sandbox.claude_state()["faults"] == {"malformed": 1}, "the words themselves were sent"

    earlier = prompt_versions.before(mine)
    assert earlier is not None
    prompt_versions.roll_back(earlier, by="bob", reason="Pelicans everywhere.")
    assert asked() == first
    assert list(AuditEntry.objects.filter(action__startswith="promptversion.").order_by("pk").values_list("action", "label")) == [
        ("promptversion.draft", "ana"), ("promptversion.promote", "ana"), ("promptversion.roll_back", "bob"),
    ]  # fmt: skip


def test_nothing_is_promoted_without_a_replay_or_a_reason_to_go_without() -> None:
    before = served()
    mine = reworded()
    for excuse in ("", "   "):
        with pytest.raises(ValidationError, match="No replay of it has ended well"):
            prompt_versions.promote(mine, by="ana", reason="Better.", without_replay=excuse)
    assert served() == before
    prompt_versions.promote(mine, by="ana", reason="Better.", without_replay="Nothing was decided yet.")
    entry = AuditEntry.objects.get(action="promptversion.promote")
    assert entry.before == {"served": [before]}
    assert entry.after == {"served": mine.hash, "without_replay": "Nothing was decided yet."}


def test_only_what_was_served_is_rolled_back_to() -> None:
    active, mine = prompts.served("triage"), reworded()
    with pytest.raises(ValidationError, match="never served"):
        prompt_versions.roll_back(mine, by="ana", reason="x")
    with pytest.raises(ValidationError, match="served already"):
        prompt_versions.roll_back(active, by="ana", reason="x")


@pytest.mark.django_db(transaction=True)
def test_two_people_who_promote_at_once_leave_one_version_served() -> None:
    prompts.served("triage")
    rivals, gate = [reworded(more=f"Version {n}.") for n in range(4)], Barrier(4)

    def promote(one: PromptVersion) -> None:
        gate.wait()
        prompt_versions.promote(one, by="ana", reason="Mine.", without_replay="In a hurry.")
        connection.close()

    threads = [Thread(target=promote, args=(one,)) for one in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PromptVersion.objects.get(name="triage", active=True) in rivals
    assert PromptVersion.objects.filter(served_at__isnull=False).count() == 5


# Releases


def release(seeds: Path, text: str) -> list[str]:
    (seeds / "triage.md").write_text(text)
    return prompt_versions.take_seeds()


def test_a_newer_seed_takes_the_place_of_one_that_nobody_chose(seeds: Path) -> None:
    assert prompt_versions.take_seeds() == []
    old = prompts.served("triage")
    assert release(seeds, f"{old.text}Newer.\n") == ["The prompt triage is served as this release words it."]
    assert prompts.served("triage").text.endswith("Newer.\n")
    assert prompt_versions.take_seeds() == []
    assert release(seeds, old.text) == ["The prompt triage is served as this release words it."], "taken back with it"
    assert served() == old.hash


def test_what_a_person_put_into_service_stays_and_the_newer_seed_waits(seeds: Path) -> None:
    prompt_versions.take_seeds()
    mine = reworded()
    prompt_versions.promote(mine, by="ana", reason="Better.", without_replay="Nothing decided.")
    assert prompt_versions.newer_seed(mine) is None
    (line,) = release(seeds, f"{prompt_versions.seed('triage')}Newer.\n")
    assert line == "The prompt triage stays as ana chose it; a newer seed waits in the console."
    assert served() == mine.hash
    newer = prompt_versions.newer_seed(PromptVersion.objects.get(active=True, name="triage"))
    assert newer is not None
    assert newer.waits
    assert not prompt_versions.is_draft(newer), "a seed is not reworded"


def test_a_deployment_does_not_undo_a_rollback_to_an_older_seed(seeds: Path) -> None:
    prompt_versions.take_seeds()
    old = prompts.served("triage")
    release(seeds, f"{old.text}Newer.\n")
    prompt_versions.roll_back(old, by="ana", reason="It was better.")
    prompt_versions.take_seeds()
    assert served() == old.hash
    assert PromptVersion.objects.get(active=True, name="triage").served_by == "ana"
