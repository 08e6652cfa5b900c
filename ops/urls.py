"""What load balancers, scrapers and passers-by may ask without a token, and the console's help page."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from ops import health, home, metrics, papers, status

urlpatterns = [
    path("", health.root, name="root"),
    path("health", status.show, name="health"),
    path("health/ready", health.ready, name="ready"),
    path("health/live", health.live, name="live"),
    path("admin/help/", admin.site.admin_view(home.explain), name="help"),
    path("admin/help/<path:path>", admin.site.admin_view(papers.show), name="paper"),
    path("metrics", metrics.expose, name="metrics"),
]
