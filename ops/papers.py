"""The guides and runbooks: files of the repository and of the image, read in the console."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import markdown  # type: ignore[import-untyped]  # the package has no types
from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

GUIDES = (
    ("README", "README.md"),
    ("Quick deployment", "docs/QUICK_DEPLOY.md"),
    ("Deployment guide", "docs/DEPLOYMENT_GUIDE.md"),
    ("Environment variables", "docs/ENVIRONMENT.md"),
    ("Monitoring", "docs/MONITORING_SETUP.md"),
    ("The Notion workspace", "docs/NOTION_DASHBOARD_SETUP.md"),
    ("Intake: Slack, mail, programs", "docs/INTAKE.md"),
    ("The API", "docs/API.md"),
    ("Incidents and on call", "docs/INCIDENTS.md"),
    ("Maintenance calendar", "docs/MAINTENANCE.md"),
    ("Decisions", "docs/decisions.md"),
    ("How it works", "docs/journey.md"),
)
RUNBOOKS = (
    ("The service is down", "docs/runbooks/service-down.md"),
    ("Many errors", "docs/runbooks/high-error-rate.md"),
    ("Notion or Claude fails", "docs/runbooks/api-failures.md"),
    ("It is slow", "docs/runbooks/performance.md"),
    ("A deployment goes wrong", "docs/runbooks/deployment.md"),
)
TITLES = {path: title for title, path in (*GUIDES, *RUNBOOKS)}
LINK = re.compile(r'href="(?![a-z]+:|#|/)([^"#]+)(#[^"]*)?"')
MENTION = re.compile(r"\b(README\.md|docs/[\w./-]+\.md(?:#[\w-]+)?)")


def missing() -> list[str]:
    """The documents that are not there."""
    return [path for path in TITLES if not (settings.BASE_DIR / path).is_file()]


def address(link: str) -> str:
    """Where the console shows a document, such as docs/runbooks/performance.md#then."""
    path, _, section = link.partition("#")
    return reverse("paper", args=[path]) + (f"#{section}" if section else "")


def has_section(link: str) -> bool:
    """Whether the document is there and, where the link names one, has that section."""
    path, _, section = link.partition("#")
    file = settings.BASE_DIR / path
    if path not in TITLES or not file.is_file():
        return False
    return not section or f'id="{section}"' in _html(file.read_text(encoding="utf-8"))


def linked(text: str) -> SafeString:
    """A text of ours with a link on each document that it names. The text is escaped."""
    return mark_safe(MENTION.sub(_mention, escape(text)))  # noqa: S308  # escaped here


def _mention(match: re.Match[str]) -> str:
    link = match[0]
    if link.partition("#")[0] not in TITLES:
        return link
    return f'<a class="text-primary-600 dark:text-primary-500" href="{address(link)}">{link}</a>'


def show(request: HttpRequest, path: str) -> HttpResponse:
    """One document. Raises Http404 for what is no document of ours."""
    file = settings.BASE_DIR / path
    if path not in TITLES or not file.is_file():
        raise Http404
    html = LINK.sub(lambda match: _beside(path, match), _html(file.read_text(encoding="utf-8")))
    context = {
        **admin.site.each_context(request),
        "title": TITLES[path],
        "path": path,
        "html": mark_safe(html),  # noqa: S308  # our own file, not a person's text
    }
    return TemplateResponse(request, "ops/paper.html", context)


def _beside(path: str, match: re.Match[str]) -> str:
    """A link from one document to another becomes one to its page in the console; others stay as they are."""
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / match[1]).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    target = "/".join(parts)
    return f'href="{address(target + (match[2] or ""))}"' if target in TITLES else match[0]


def _html(text: str) -> str:
    without_pictures = re.sub(r"^!\[[^]]*\]\([^)]*\)$", "", text, flags=re.M)
    return str(markdown.markdown(without_pictures, extensions=["tables", "fenced_code", "toc", "sane_lists"]))
