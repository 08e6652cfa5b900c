"""What joins both rooms, for programs: an item with everything that came of it."""

from __future__ import annotations

from django.urls import path
from rest_framework.generics import RetrieveAPIView

from analysis.api import AnalysisSummarySerializer
from notion_sync.api import ItemSerializer, OutboxEntrySerializer
from notion_sync.models import InboxItem


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


urlpatterns = [path("items/<int:pk>", ItemDetail.as_view(), name="item")]
