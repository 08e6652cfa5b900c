"""Every route, and by its module who may use it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ops.urls")),
    path("admin/", admin.site.urls),
    path("webhooks/", include("notion_sync.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
    path("api/v1/", include("notion_sync.api")),
    path("api/v1/", include("analysis.api")),
    path("api/v1/", include("ops.api")),
]

handler404 = "emm.api.not_found"
handler500 = "emm.api.fault"
