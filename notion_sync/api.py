"""The inbox and the poller, for programs."""

from __future__ import annotations

from typing import Any

from django.db.models import Min, QuerySet
from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from emm import tokens
from emm.api import TooLarge
from emm.idempotency import idempotent
from notion_sync import control, intake, polling
from notion_sync.models import DataSource, InboxItem, Intake, OutboxEntry, Poller
from notion_sync.requests import Refused

KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The request is done once, for a day."
)


class OrderSignSerializer(serializers.Serializer[Any]):
    """Words of an item that read like an order to a model."""

    kind = serializers.CharField()
    means = serializers.CharField(help_text="The kind in words.")
    quote = serializers.CharField()


class ItemSerializer(serializers.ModelSerializer[InboxItem]):
    """One inbox page, and where our work on it stands."""

    orders = OrderSignSerializer(many=True, read_only=True, allow_null=True, help_text="Null: nobody has looked yet.")

    class Meta:
        model = InboxItem
        fields = [
            "id", "page_id", "title", "url", "state", "state_reason", "state_since", "created_time", "last_edited_time", "in_trash",
            "orders",
        ]  # fmt: skip


class OutboxEntrySerializer(serializers.ModelSerializer[OutboxEntry]):
    """One write that we owe Notion, or have done."""

    class Meta:
        model = OutboxEntry
        fields = ["id", "kind", "source_key", "purpose", "page_id", "status", "due_at", "failures", "last_error"]


class PollerSerializer(serializers.ModelSerializer[Poller]):
    """How often Notion is asked, and whether it is."""

    polled_at = serializers.SerializerMethodField(help_text="Start of the last finished poll of the slowest source.")

    class Meta:
        model = Poller
        fields = ["status", "status_since", "interval_seconds", "asked_at", "polled_at"]

    def get_polled_at(self, poller: Poller) -> str | None:
        """Null before the first poll."""
        at = DataSource.objects.aggregate(at=Min("polled_at"))["at"]
        return at.isoformat() if at else None


class ReasonSerializer(serializers.Serializer[Any]):
    """Why someone wants it."""

    reason = serializers.CharField(max_length=500)


class PollsSerializer(serializers.Serializer[Any]):
    """How many polls were opened: none where all were under way."""

    polls = serializers.IntegerField()


class Items(ListAPIView[InboxItem]):
    """The inbox, newest first."""

    scopes = {"GET": "read"}
    serializer_class = ItemSerializer

    def get_queryset(self) -> QuerySet[InboxItem]:
        """The items, in one state if the query names one. Raises ValidationError for a state that is none."""
        state = self.request.query_params.get("state", "")
        if state and state not in InboxItem.State.values:
            raise ValidationError({"state": [f"Not one of {', '.join(InboxItem.State.values)}."]})
        return InboxItem.objects.filter(state=state) if state else InboxItem.objects.all()

    @extend_schema(operation_id="items_list", parameters=[OpenApiParameter("state", str, enum=InboxItem.State.values)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One page of the list."""
        return super().get(request, *args, **kwargs)


class PollerState(APIView):
    """The poller."""

    scopes = {"GET": "read"}

    @extend_schema(responses=PollerSerializer)
    def get(self, request: Request) -> Response:
        """How often it asks, and whether it does."""
        return Response(PollerSerializer(polling.poller()).data)


class PollNow(APIView):
    """Poll at once."""

    scopes = {"POST": "operate"}

    @extend_schema(request=None, parameters=[KEY], responses={202: PollsSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Open a poll of every source, also while the poller is paused."""
        return Response({"polls": control.poll_now(by=tokens.of(request))}, status.HTTP_202_ACCEPTED)


class Pause(APIView):
    """Stop asking Notion."""

    scopes = {"POST": "operate"}

    @extend_schema(request=ReasonSerializer, parameters=[KEY], responses=PollerSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """Pause the poller; the reason goes into the audit log."""
        wish = ReasonSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        return Response(PollerSerializer(control.pause(wish.validated_data["reason"], by=tokens.of(request))).data)


class Resume(APIView):
    """Ask Notion again."""

    scopes = {"POST": "operate"}

    @extend_schema(request=None, parameters=[KEY], responses=PollerSerializer)
    @idempotent
    def post(self, request: Request) -> Response:
        """Let the poller run."""
        return Response(PollerSerializer(control.resume(by=tokens.of(request))).data)


class IntakeSerializer(serializers.Serializer[Any]):
    """A text for the inbox. The same `external_id` again is the same text."""

    text = serializers.CharField(max_length=intake.LONGEST_TEXT, allow_blank=True, default="", trim_whitespace=False)
    title = serializers.CharField(max_length=intake.LONGEST_TITLE, allow_blank=True, default="")
    sender = serializers.CharField(max_length=1_000, allow_blank=True, default="")
    place = serializers.CharField(max_length=1_000, allow_blank=True, default="")
    external_id = serializers.CharField(max_length=200, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError where there is nothing to keep."""
        if not attrs["text"].strip() and not attrs["title"].strip():
            raise ValidationError({"text": ["Say something: a text, a title or both."]})
        return attrs


class KeptSerializer(serializers.Serializer[Any]):
    """The text's own id, and the inbox item that it became."""

    id = serializers.IntegerField()
    item = serializers.IntegerField()


class IntakeView(APIView):
    """Put a text into the inbox."""

    scopes = {"POST": "intake"}

    @extend_schema(
        operation_id="intake",
        request=IntakeSerializer,
        parameters=[KEY],
        responses={201: KeptSerializer, 200: KeptSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """201 for a new text, 200 for one whose external_id is known."""
        wish = IntakeSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        named = wish.validated_data.pop("external_id")
        external_id = f"{tokens.of(request).pk}:{named}" if named else ""
        try:
            kept, made = intake.take(Intake.Channel.API, external_id=external_id, **wish.validated_data)
        except Refused:
            raise TooLarge from None
        answer = KeptSerializer({"id": kept.pk, "item": kept.item_id}).data
        return Response(answer, status.HTTP_201_CREATED if made else status.HTTP_200_OK)


urlpatterns = [
    path("intake", IntakeView.as_view(), name="intake"),
    path("items", Items.as_view(), name="items"),
    path("poller", PollerState.as_view(), name="poller"),
    path("poller/poll-now", PollNow.as_view(), name="poll-now"),
    path("poller/pause", Pause.as_view(), name="poller-pause"),
    path("poller/resume", Resume.as_view(), name="poller-resume"),
]
