from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "ops"
    verbose_name = "Operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Export what the alert rules found."""
        from prometheus_client import REGISTRY

        from ops import metrics

        REGISTRY.register(metrics.Rules())
