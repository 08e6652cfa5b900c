"""What we think of the inbox, for programs."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from analysis import training
from analysis.answers import Persona
from analysis.models import Analysis, HouseRule, Perspective, Settlement, Synthesis

PERSONAS = [(persona.value, persona.value) for persona in Persona]  # one enumeration in the API's description


class PerspectiveSerializer(serializers.ModelSerializer[Perspective]):
    """One persona's argument."""

    class Meta:
        model = Perspective
        fields = ["id", "persona", "round", "status", "last_error", "answer"]


class SynthesisSerializer(serializers.ModelSerializer[Synthesis]):
    """What the arguments add up to, and the proposed plan."""

    class Meta:
        model = Synthesis
        fields = ["id", "status", "last_error", "answer", "second", "contested", "plan"]


class AnalysisSummarySerializer(serializers.ModelSerializer[Analysis]):
    """One argument about one item."""

    class Meta:
        model = Analysis
        fields = ["id", "revision", "lead", "depth", "depth_reason", "asked_by", "note", "opened_at"]


class AnalysisSerializer(AnalysisSummarySerializer):
    """One argument about one item, with every voice."""

    perspectives = PerspectiveSerializer(many=True, read_only=True)
    synthesis = SynthesisSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Analysis
        fields = [*AnalysisSummarySerializer.Meta.fields, "item", "perspectives", "synthesis"]


class AnalysisDetail(RetrieveAPIView[Analysis]):
    """One analysis with its perspectives and its synthesis."""

    scopes = {"GET": "read"}
    serializer_class = AnalysisSerializer
    queryset = Analysis.objects.select_related("synthesis").prefetch_related("perspectives")


class FigureSerializer(serializers.Serializer[Any]):
    """A mean of fractions with its 95 % interval; nulls where it would rest on fewer than 5."""

    n = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class MedianSerializer(serializers.Serializer[Any]):
    """A median; null where it would rest on fewer than 5."""

    n = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)


class ToneSerializer(serializers.Serializer[Any]):
    """Words of one sort in 100 words of the plan."""

    proposed = MedianSerializer()
    final = MedianSerializer()


class RowSerializer(serializers.Serializer[Any]):
    """The figures of the decisions that share one value, for the plan and for each persona."""

    value = serializers.CharField()
    figures = serializers.DictField(child=FigureSerializer())


class DuelSerializer(serializers.Serializer[Any]):
    """How often `one` came closer to the final plan than `other`, where they differed."""

    one = serializers.CharField()
    other = serializers.CharField()
    won = FigureSerializer()
    ties = serializers.IntegerField()


class RepeatSerializer(serializers.Serializer[Any]):
    """An edit that several plans show, by its oldest example."""

    kind = serializers.CharField(source="oldest.kind")
    before = serializers.CharField(source="oldest.before")
    after = serializers.CharField(source="oldest.after")
    settlements = serializers.ListField(child=serializers.IntegerField())


class HouseRuleSerializer(serializers.ModelSerializer[HouseRule]):
    """A rule that the models are told, were told, or are to be told."""

    class Meta:
        model = HouseRule
        fields = ["id", "text", "status"]


class EffectSerializer(serializers.Serializer[Any]):
    """Acceptance before and after the models were told a house rule."""

    rule = HouseRuleSerializer()
    before = FigureSerializer()
    after = FigureSerializer()


class LowSerializer(serializers.ModelSerializer[Settlement]):
    """A decision that kept little of the plan."""

    analysis = serializers.IntegerField(source="synthesis.analysis_id")
    item = serializers.IntegerField(source="item_id")

    class Meta:
        model = Settlement
        fields = ["id", "item", "analysis", "decision", "acceptance_rate", "rejection_reason"]


class TrainingSerializer(serializers.Serializer[Any]):
    """What people's decisions teach."""

    rated = serializers.IntegerField()
    personas = serializers.DictField(child=FigureSerializer())
    by_field = serializers.DictField(child=FigureSerializer())
    effects = EffectSerializer(many=True)
    left_out = HouseRuleSerializer(many=True)
    awaiting = serializers.IntegerField()
    weeks = RowSerializer(many=True)
    closest = serializers.DictField(child=FigureSerializer())
    duels = DuelSerializer(many=True)
    plans = serializers.IntegerField()
    repeats = RepeatSerializer(many=True)
    length = MedianSerializer()
    hedges = ToneSerializer()
    orders = ToneSerializer()
    low = LowSerializer(many=True)
    low_count = serializers.IntegerField()
    segments = serializers.DictField(child=RowSerializer(many=True))


class TrainingView(APIView):
    """Acceptance by persona and segment, its trend, and what people keep changing."""

    scopes = {"GET": "read"}

    @extend_schema(responses=TrainingSerializer)
    def get(self, request: Request) -> Response:
        """The figures as the console shows them."""
        return Response(TrainingSerializer(training.report()).data)


urlpatterns = [
    path("training", TrainingView.as_view(), name="training"),
    path("analyses/<int:pk>", AnalysisDetail.as_view(), name="analysis"),
]
