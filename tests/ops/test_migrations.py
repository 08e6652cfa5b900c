"""Migrations only expand what the release before uses."""

from __future__ import annotations

import pytest
from django.conf import settings
from django_migration_linter import MessageType, MigrationLinter

pytestmark = [pytest.mark.django_db, pytest.mark.faults]  # for its length
# A column that grew, and columns whose defaults for the release before come with analysis 0006: before a release that
# has neither, both arrive together (tests/faults/test_two_versions.py). And a uniqueness among calls of a kind that the release
# before never makes.
KNOWN = {
    ("analysis", "0002_policy_and_depth"),
    ("analysis", "0003_second_verdict"),
    ("notion_sync", "0002_submitted_jobs"),
    ("ops", "0008_calls_for_changes_and_outcomes"),
}


def test_no_migration_takes_away_what_the_release_before_uses(capsys: pytest.CaptureFixture[str]) -> None:
    linter = MigrationLinter(
        str(settings.BASE_DIR),
        include_apps=["emm", "notion_sync", "analysis", "ops"],
        exclude_migration_tests=[],
        ignore_name=[name for _, name in KNOWN],
        ignore_initial_migrations=True,
        quiet=[kind.value for kind in MessageType],
        no_cache=True,
    )
    linter.lint_all_migrations()
    assert linter.nb_total > len(KNOWN)
    assert linter.nb_erroneous == 0, capsys.readouterr().out
