"""What load balancers, scrapers and passers-by may ask without a token."""

from __future__ import annotations

from django.urls import path

from ops import health, metrics

urlpatterns = [
    path("", health.root, name="root"),
    path("health", health.health, name="health"),
    path("health/ready", health.ready, name="ready"),
    path("health/live", health.live, name="live"),
    path("metrics", metrics.expose, name="metrics"),
]
