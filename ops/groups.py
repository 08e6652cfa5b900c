"""The five groups whose members sign a release off."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission

from ops import checklist

MAY = (
    "view_proberun", "view_release", "view_evidence", "view_confirmation", "add_confirmation", "view_waiver", "view_signoff",
    "add_signoff",
)  # fmt: skip


def ensure() -> None:
    """Make the groups that are missing, with what their members need. Groups that are there stay as people left them."""
    for name in checklist.ROLES.values():
        group, made = Group.objects.get_or_create(name=name)
        if made:
            group.permissions.set(Permission.objects.filter(content_type__app_label="ops", codename__in=MAY))
