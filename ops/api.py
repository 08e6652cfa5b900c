"""What joins both rooms, for programs: an item with everything that came of it, and whether a release may go."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analysis.api import AnalysisSummarySerializer
from emm import tokens
from emm.idempotency import idempotent
from notion_sync.api import KEY, ItemSerializer, OutboxEntrySerializer
from notion_sync.models import InboxItem
from ops import checklist, deployment, evidence, readiness, signoff, spend
from ops.health import database_now
from ops.models import Release, State


class ItemDetailSerializer(ItemSerializer):
    """One inbox page with all that came of it."""

    analyses = AnalysisSummarySerializer(many=True, read_only=True)
    outbox = OutboxEntrySerializer(many=True, read_only=True)

    class Meta:
        model = InboxItem
        fields = [*ItemSerializer.Meta.fields, "body", "analyses", "outbox"]


class ItemDetail(RetrieveAPIView[InboxItem]):
    """One item, its analyses and what we owe Notion for it."""

    scopes = {"GET": "read"}
    serializer_class = ItemDetailSerializer
    queryset = InboxItem.objects.prefetch_related("analyses", "outbox")


class StandingSerializer(serializers.Serializer[Any]):
    """One item of the checklist now."""

    key = serializers.CharField(source="item.key")
    title = serializers.CharField(source="item.title")
    area = serializers.CharField(source="item.area")
    owner = serializers.CharField(source="item.owner")
    advisory = serializers.BooleanField(source="item.advisory")
    fix = serializers.CharField(source="item.fix")
    state = serializers.ChoiceField(readiness.STATES)
    blocks = serializers.BooleanField()
    evidence = serializers.CharField()
    seen_at = serializers.DateTimeField(allow_null=True)
    who = serializers.CharField()
    note = serializers.CharField()


class ReadinessSerializer(serializers.Serializer[Any]):
    """The verdict, and every item behind it."""

    ready = serializers.BooleanField()
    release = serializers.CharField(allow_null=True)
    commit = serializers.CharField(help_text="Of the release, else of the code that runs; empty where nobody knows it.")
    items = StandingSerializer(many=True)


class ReadinessView(APIView):
    """The checklist."""

    scopes = {"GET": "read"}

    @extend_schema(parameters=[OpenApiParameter("release", str)], responses=ReadinessSerializer)
    def get(self, request: Request) -> Response:
        """Every item, and whether one stands in the way of the release that the query names, or of any."""
        version = request.query_params.get("release", "")
        release = get_object_or_404(Release, version=version) if version else None
        items = [one for one in checklist.load().items.values() if release is not None or not one.of_release]
        ready = readiness.verdict(release).ready
        commit = release.commit if release else deployment.commit()
        rows = readiness.standings(items, release)
        found = {"ready": ready, "release": version or None, "commit": commit, "items": rows}
        return Response(ReadinessSerializer(found).data)


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """One release."""

    class Meta:
        model = Release
        fields = [
            "version", "commit", "schema_hash", "changes", "opened_by", "opened_at", "status", "status_since", "deployed_at",
        ]  # fmt: skip


class NewReleaseSerializer(serializers.Serializer[Any]):
    """A release to be."""

    version = serializers.CharField(max_length=60)
    commit = serializers.RegexField("^[0-9a-fA-F]{40}$")
    changes = serializers.CharField(max_length=100_000, allow_blank=True, default="")


class Releases(ListAPIView[Release]):
    """The releases, newest first."""

    scopes = {"GET": "read", "POST": "operate"}
    serializer_class = ReleaseSerializer
    queryset = Release.objects.all()

    @extend_schema(request=NewReleaseSerializer, parameters=[KEY], responses={201: ReleaseSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Open a release, before its deployment."""
        wish = NewReleaseSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        said = wish.validated_data
        release = signoff.open_release(said["version"], said["commit"], by=tokens.of(request), changes=said["changes"])
        return Response(ReleaseSerializer(release).data, status.HTTP_201_CREATED)


class ProofSerializer(serializers.Serializer[Any]):
    """One item that was proved elsewhere."""

    key = serializers.ChoiceField(readiness.RECORDED)
    state = serializers.ChoiceField(State.choices)
    evidence = serializers.CharField(max_length=2_000)


class ProofsSerializer(serializers.Serializer[Any]):
    """What scripts/evidence.py wrote about one commit."""

    commit = serializers.RegexField("^[0-9a-f]{40}$")
    at = serializers.DateTimeField(required=False, help_text="When it was proved; now, where nothing is said.")
    proofs = ProofSerializer(many=True)


class KeptProofsSerializer(serializers.Serializer[Any]):
    """How many items were proved."""

    kept = serializers.IntegerField()


class EvidenceView(APIView):
    """Evidence from where the repository is."""

    scopes = {"POST": "operate"}

    @extend_schema(request=ProofsSerializer, responses=KeptProofsSerializer)
    def post(self, request: Request) -> Response:
        """Keep all of it, or refuse all of it."""
        try:
            return Response({"kept": evidence.bring(request.data)})
        except evidence.Refused as error:
            raise ValidationError({"proofs": [str(error)]}) from None


class BudgetSerializer(serializers.Serializer[Any]):
    """One budget in its current period, USD. `pace`: what the month comes to; null where it is too early to say."""

    scope = serializers.ChoiceField(["day", "month"])
    limit = serializers.DecimalField(12, 6)
    spent = serializers.DecimalField(12, 6)
    reserved = serializers.DecimalField(12, 6)
    free = serializers.DecimalField(12, 6)
    pace = serializers.DecimalField(14, 6, allow_null=True)
    refused_at = serializers.DateTimeField(allow_null=True)


class SpentSerializer(serializers.Serializer[Any]):
    """The calls that share one value, and what they cost in USD."""

    value = serializers.CharField()
    calls = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6)


class SpentDaySerializer(serializers.Serializer[Any]):
    """One UTC day's calls, and what they cost in USD."""

    day = serializers.DateField()
    calls = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6)


class PerUnitSerializer(serializers.Serializer[Any]):
    """USD for each of n; null where n is 0."""

    title = serializers.CharField()
    n = serializers.IntegerField()
    cost = serializers.DecimalField(14, 6, allow_null=True)


class SpendSerializer(serializers.Serializer[Any]):
    """What calls to models cost in the last 30 days, and how the budgets stand."""

    budgets = BudgetSerializer(many=True)
    calls = serializers.IntegerField()
    cost = serializers.DecimalField(12, 6)
    days = SpentDaySerializer(many=True)
    groups = serializers.DictField(child=SpentSerializer(many=True))
    tokens = serializers.DictField(child=serializers.IntegerField())
    per_unit = PerUnitSerializer(many=True)


class SpendView(APIView):
    """What is spent on models."""

    scopes = {"GET": "read"}

    @extend_schema(responses=SpendSerializer)
    def get(self, request: Request) -> Response:
        """The figures as the console shows them."""
        return Response(SpendSerializer(spend.report(database_now())).data)


urlpatterns = [
    path("spend", SpendView.as_view(), name="spend"),
    path("items/<int:pk>", ItemDetail.as_view(), name="item"),
    path("readiness", ReadinessView.as_view(), name="readiness"),
    path("releases", Releases.as_view(), name="releases"),
    path("evidence", EvidenceView.as_view(), name="evidence"),
]
