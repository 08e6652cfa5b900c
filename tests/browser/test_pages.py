"""Every page of the console opens in a browser without a complaint, and fits its window."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from playwright.sync_api import Page, ViewportSize

from analysis.models import Analysis
from ops import deployments, signoff
from ops.models import Release
from tests.browser.people import People, overflow
from tests.browser.standing import installation_lives, probes_pass
from tests.factories import make_channel
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.browser
COMMIT = "c0ffee" + "0" * 34
PHONE: ViewportSize = {"width": 390, "height": 844}
APPS = sorted({model._meta.app_label for model in site._registry})
LINKS = "links => links.map(link => new URL(link.href).pathname)"


@pytest.fixture
def lived_in(argued: Sandbox, people: People, monkeypatch: pytest.MonkeyPatch) -> Page:
    """The window of a superuser, in an installation where things have happened."""
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", COMMIT)
    page = people.come("root", is_superuser=True)
    root = User.objects.get(username="root")
    make_channel()
    release = signoff.open_release("3.1", COMMIT, by="ci", changes="c0ffee0 Serve coffee")
    probes_pass(release)
    signoff.confirm("doc.readme", root, "Followed it on a new laptop.")
    signoff.tell_team(release, root, "Tonight at eight.")
    deployments.report(COMMIT)
    installation_lives()
    deployments.watch()
    drill = deployments.start_rollback(release, drill=True, by=root)
    deployments.do_step(drill, "roll.identify", by=root)
    for stage in ("objectives", "budgets", "duties", "digests"):
        run_stage(stage)
    return page


def pages_of(page: Page, app: str) -> Iterator[str]:
    """Every page of one app that the console's first page leads to, and the first row of each list."""
    page.goto("/admin/")
    links = page.locator(f'a[href^="/admin/{app}/"]').evaluate_all(LINKS)
    for address in dict.fromkeys(links):
        yield address
        rows = page.locator(f'a[href*="{address}"]').evaluate_all(LINKS)
        detail = re.compile(rf"{re.escape(address)}[^/]+/change/")
        yield from [link for link in dict.fromkeys(rows) if detail.fullmatch(link)][:1]


def problem(page: Page, address: str) -> str:
    """What is wrong with one page; "" where nothing is."""
    answer = page.goto(address)
    if answer is None or answer.status != 200:
        return f"{address} answers {answer and answer.status}."
    beyond = overflow(page)
    return f"{address} is {beyond} pixels too wide." if beyond else ""


@pytest.mark.parametrize("app", APPS)
def test_every_page_opens_and_fits_a_desk(app: str, lived_in: Page) -> None:
    visited, problems = set(), []
    for address in pages_of(lived_in, app):
        visited.add(address)
        problems.append(problem(lived_in, address))
    assert [one for one in problems if one] == []
    lists = {f"/admin/{app}/{model._meta.model_name}/" for model in site._registry if model._meta.app_label == app}
    assert lists <= visited


def test_what_people_open_on_the_way_fits_a_phone(lived_in: Page) -> None:
    lived_in.set_viewport_size(PHONE)
    proposal = f"/admin/analysis/proposal/{Analysis.objects.get().pk}/change/"
    release = f"/admin/ops/release/{Release.objects.get().pk}/change/"
    addresses = ("/admin/", "/admin/analysis/proposal/", proposal, "/admin/ops/proberun/", release)
    assert [one for address in addresses if (one := problem(lived_in, address))] == []
