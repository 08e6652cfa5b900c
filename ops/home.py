"""What a person sees first in the console: what fires, what is overdue, what stands in the way; and where help is."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from analysis import desk
from analysis.models import Policy
from emm.schedule import STAGES
from notion_sync import backlog, standstill
from notion_sync.models import DataSource, InboxItem, Standstill
from ops import duties, overview, papers, readiness, spend
from ops.models import Alert, Incident, Release

RECOMMENDED_INTERVALS = (("high traffic", 60), ("standard", 120), ("low traffic", 300))
RECOMMENDED_LIMITS = (("low traffic", 30), ("standard", 60), ("high traffic", 120))
SECONDS_A_DAY = 86_400
SERVICES = (
    ("Railway (host)", "https://railway.com/dashboard", "https://status.railway.com"),
    ("Sentry", "https://sentry.io", "https://status.sentry.io"),
    ("Notion", "https://www.notion.so", "https://www.notion-status.com"),
    ("Anthropic", "https://platform.claude.com", "https://status.claude.com"),
)


class Line(NamedTuple):
    """One line of the home page."""

    text: str
    bad: bool
    link: str
    href: str


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Put what needs attention on top of the console's first page, for those who may see it."""
    lines = []
    if request.user.is_superuser and not DataSource.objects.exists():
        lines.append(_set_up())
    if request.user.has_perm("analysis.view_proposal") or request.user.has_perm("analysis.decide_proposal"):
        lines.append(_proposals())
    if request.user.has_perm("notion_sync.view_inboxitem"):
        lines += [_items(), *_backlog(), *_jobs()]
    if request.user.has_perm("notion_sync.view_datasource"):
        lines += [*_standstill(), _databases()]
    if request.user.has_perm("ops.view_proberun"):
        lines += [_calls(), _money(), _alerts(), _incidents(), _follow_ups(), _duties(), _readiness()]
    context["home"] = lines
    return context


def _set_up() -> Line:
    page = reverse("admin:notion_sync_setuprun_changelist")
    return Line("Notion is not set up yet: nothing is read or written before.", True, "Set up Notion", page)


def _proposals() -> Line:
    count = desk.waiting().count()
    text = f"{count} proposal{'s wait' if count > 1 else ' waits'} for a person." if count else "No proposal waits."
    return Line(text, False, "Review desk", reverse("admin:analysis_proposal_changelist"))


def _items() -> Line:
    held = InboxItem.objects.filter(state=InboxItem.State.HELD, in_trash=False)
    count = held.exclude(backlog=InboxItem.Backlog.HELD).count()
    text = (
        f"{count} item{'s are' if count > 1 else ' is'} held: the list says why and what to do."
        if count
        else "No item is held."
    )
    page = reverse("admin:notion_sync_inboxitem_changelist")
    return Line(text, bool(count), "Held items", f"{page}?state__exact={InboxItem.State.HELD}")


def _backlog() -> list[Line]:
    count = backlog.held().count()
    text = (
        f"{count} item{'s' if count > 1 else ''} from before the adoption wait{'' if count > 1 else 's'} for a release."
    )
    return [Line(text, False, "Backlog", reverse("admin:notion_sync_backlog_changelist"))] if count else []


def _jobs() -> list[Line]:
    """One line for each stage with jobs that stopped: what they were about stands on their list."""
    return [
        Line(
            f"{one.jobs} job{' needs' if one.jobs == 1 else 's need'} a person, of the stage {one.stage}.",
            True,
            "Jobs that stopped",
            one.page,
        )
        for one in overview.stuck()
    ]


def _standstill() -> list[Line]:
    page = reverse("admin:notion_sync_standstill_changelist")
    standing = Standstill.objects.filter(lifted_at=None)
    return [Line(f"{standstill.SILENT} {row.why} {row.fix}", True, "Standstills", page) for row in standing]


def _databases() -> Line:
    held = [source.hold for source in DataSource.objects.exclude(hold="").order_by("key")]
    page = reverse("admin:notion_sync_datasource_changelist")
    return Line(" ".join(held) or "No database is held.", bool(held), "Data sources", page)


def _calls() -> Line:
    policy = Policy.current()
    stopped = policy.model_calls_stopped
    return Line(policy.standing, stopped, "Switch", reverse("admin:analysis_policy_change", args=[policy.pk]))


def _money() -> Line:
    budgets = spend.budgets(timezone.now())
    held = any(one.refused_at for one in budgets)
    text = ". ".join(f"{'Today' if one.scope == 'day' else 'This month'}: {one}" for one in budgets)
    return Line(f"{text}.", held, "Spend", reverse("admin:ops_spend_changelist"))


def _alerts() -> Line:
    count = Alert.objects.filter(cleared_at=None).count()
    text = f"{count} alert{' fires' if count == 1 else 's fire'}." if count else "No alert fires."
    return Line(text, bool(count), "Alerts", reverse("admin:ops_alert_changelist"))


def _incidents() -> Line:
    count = Incident.objects.exclude(status=Incident.Status.RESOLVED).count()
    text = f"{count} incident{' is' if count == 1 else 's are'} not resolved." if count else "No incident is open."
    return Line(text, bool(count), "Incidents", reverse("admin:ops_incident_changelist"))


def _follow_ups() -> Line:
    late = duties.overdue_follow_ups()
    named = ", ".join(str(one) for one in late[:3])
    text = (
        f"Overdue after incidents: {named}{' and more' if len(late) > 3 else ''}." if late else "No follow-up is late."
    )
    return Line(text, bool(late), "Follow-ups", reverse("admin:ops_followup_changelist"))


def _duties() -> Line:
    late = duties.overdue()
    page = reverse("admin:ops_proberun_changelist")
    if late:
        named = ", ".join(duty.item.title for duty in late[:3])
        count = "1 duty is" if len(late) == 1 else f"{len(late)} duties are"
        return Line(f"{count} overdue: {named}.", True, "Duties", f"{page}#{late[0].item.area}")
    return Line("No duty is overdue.", False, "Duties", f"{page}#daily")


def _readiness() -> Line:
    release = Release.objects.order_by("-pk").first()
    count = len(readiness.verdict().blocking)
    text = (
        f"{count} item{' of the checklist stands' if count == 1 else 's of the checklist stand'} in the way."
        if count
        else "The checklist stands in nobody's way."
    )
    where = f" The newest release, {release}, is {release.get_status_display()}." if release else ""
    return Line(text + where, bool(count), "Readiness", reverse("admin:ops_proberun_changelist"))


def explain(request: HttpRequest) -> HttpResponse:
    """The help page: papers, outside services, and what each choice of the interval and the rate limit means."""
    polled = 2  # sources that every cycle asks: the inbox and the action pipes
    context = {
        **admin.site.each_context(request),
        "title": "Help",
        "guides": [(title, path, papers.address(path)) for title, path in papers.GUIDES],
        "runbooks": [(title, path, papers.address(path)) for title, path in papers.RUNBOOKS],
        "absent": papers.missing(),
        "services": SERVICES,
        "intervals": [(name, s, polled * SECONDS_A_DAY // s) for name, s in RECOMMENDED_INTERVALS],
        "limits": [(name, n, n * 60 * 24) for name, n in RECOMMENDED_LIMITS],
        "stages": STAGES.values(),
    }
    return TemplateResponse(request, "ops/help.html", context)
