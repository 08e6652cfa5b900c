"""The documents name commands, scripts and documents that exist; the console shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.test import Client

from ops import papers, rules

ROOT: Path = settings.BASE_DIR
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"manage\.py ([a-z_]+)")
SCRIPT = re.compile(r"\bscripts/([\w-]+\.(?:py|sh))")
TARGET = re.compile(r"\bmake ([a-z-]+)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)(#[\w-]+)?\)")
OPTION = re.compile(r"(scripts/[\w-]+\.(?:py|sh)|manage\.py [a-z_]+)([^`\n]*)")


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_a_document_names_what_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert set(COMMAND.findall(text)) <= get_commands().keys()
    assert {name for name in SCRIPT.findall(text) if not (ROOT / "scripts" / name).is_file()} == set()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {name for name in TARGET.findall(text) if f"\n{name}:" not in makefile} == set()
    assert {path for path, _ in LINK.findall(text) if not (file.parent / path).exists()} == set()


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_an_option_that_a_document_names_is_one_of_its_script(file: Path) -> None:
    for program, words in OPTION.findall(file.read_text(encoding="utf-8")):
        name = program.split()[-1]
        if program.startswith("scripts/"):
            source = (ROOT / program).read_text(encoding="utf-8")
        else:
            found = [
                ROOT / app / "management" / "commands" / f"{name}.py"
                for app in ("emm", "notion_sync", "analysis", "ops")
            ]
            source = "".join(path.read_text(encoding="utf-8") for path in found if path.is_file())
        for option in re.findall(r"(?<!\S)--[a-z-]+", words) if source else []:
            assert option in source, f"{file.name}: {program} has no {option}"


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.key)
def test_every_alert_leads_to_a_section_that_is_there(rule: rules.Rule) -> None:
    assert "#" in rule.runbook
    assert papers.has_section(rule.runbook)


def test_a_section_that_is_not_there_is_found_out() -> None:
    assert papers.has_section("docs/runbooks/performance.md#slow-pages")
    assert not papers.has_section("docs/runbooks/performance.md#coffee")
    assert not papers.has_section("docs/runbooks/coffee.md")


def test_the_console_shows_a_document_with_its_links_as_pages_of_the_console(admin_client: Client) -> None:
    page = admin_client.get("/admin/help/docs/runbooks/high-error-rate.md").content.decode()
    assert '<h3 id="jobs-that-need-a-person">' in page
    assert 'href="/admin/help/docs/runbooks/deployment.md"' in page
    assert "![" not in admin_client.get("/admin/help/README.md").content.decode()


@pytest.mark.parametrize("path", ["../emm/settings.py", "docs/../.env", "manage.py", "docs/runbooks/coffee.md"])
def test_nothing_but_documents_is_shown(path: str, admin_client: Client) -> None:
    assert admin_client.get(f"/admin/help/{path}").status_code == 404


@pytest.mark.django_db
def test_a_document_is_for_those_who_may_enter(client: Client) -> None:
    assert client.get("/admin/help/README.md").status_code == 302


def test_a_text_that_names_a_document_becomes_a_link_and_stays_harmless() -> None:
    shown = papers.linked('<b>See</b> docs/runbooks/performance.md#then, or "docs/none.md".')
    assert "&lt;b&gt;" in shown
    assert 'href="/admin/help/docs/runbooks/performance.md#then"' in shown
    assert shown.count("href") == 1


def test_the_image_carries_what_the_checklist_and_the_help_page_read() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    carried = {line.removeprefix("!") for line in lines if line.startswith("!")}
    needed = {path.split("/")[0] for path in papers.TITLES}
    assert needed | {"config", "scripts", ".env.production.example", "evidence.json", "COMMIT"} <= carried
    assert ".env" not in carried
