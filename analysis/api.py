"""What we think of the inbox, for programs."""

from __future__ import annotations

from django.urls import path
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView

from analysis.answers import Persona
from analysis.models import Analysis, Perspective, Synthesis

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
        fields = ["id", "status", "last_error", "answer", "plan"]


class AnalysisSummarySerializer(serializers.ModelSerializer[Analysis]):
    """One argument about one item."""

    class Meta:
        model = Analysis
        fields = ["id", "revision", "lead", "note", "opened_at"]


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


urlpatterns = [
    path("analyses/<int:pk>", AnalysisDetail.as_view(), name="analysis"),
]
