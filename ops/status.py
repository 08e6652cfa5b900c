"""`/health`: what every part does now, and what the probes of the checklist last saw."""

from __future__ import annotations

from collections import Counter

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from ops import checklist, health, readiness


@require_safe
def show(request: HttpRequest) -> JsonResponse:
    """Every component, and the number of probes by what they saw; 503 if a component is not healthy.

    A probe that is red asks for a person, not for a restart: it changes no status code. While the database is away nobody
    knows what the probes saw, and nothing is said of them.
    """
    components = health.components()
    if not components["database"].healthy:
        return health.report(components)
    return health.report(components, probes=probes())


def probes() -> dict[str, int]:
    """How many probes stand how, as doctor and the readiness page have it; those of a release are left out."""
    items = [item for item in checklist.load().items.values() if item.by_probe and not item.of_release]
    return dict(Counter(standing.seen for standing in readiness.standings(items)))
