"""Prometheus' way in."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from emm.limits import client_address, is_trusted
from ops.models import RuleState


def expose(request: HttpRequest) -> HttpResponse:
    """The metrics, for METRICS_TOKEN or a trusted address. Outside production this machine is trusted too."""
    if not settings.ENABLE_METRICS:
        raise Http404
    if not _has_token(request) and not _is_near(request):
        return HttpResponse(
            "A bearer token is needed.", status=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'}
        )
    return ExportToDjangoView(request)  # type: ignore[no-any-return]  # the package has no types


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode())


def _is_near(request: HttpRequest) -> bool:
    address = client_address(request)
    return address is not None and (is_trusted(address) or (address.is_loopback and not settings.PRODUCTION))


class Rules(Collector):
    """What the rounds of the alert rules found last, whichever process is asked. Nothing while the database is away."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family, a sample for each rule that could be measured."""
        family = GaugeMetricFamily("emm_rule_value", "What an alert rule judged last.", labels=["rule"])
        try:
            for key, value in RuleState.objects.values_list("key", "value"):
                if value is not None:
                    family.add_metric([key], value)
        except (DatabaseError, InterfaceError):
            return
        yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: the registry must not ask the database when we register."""
        return []
