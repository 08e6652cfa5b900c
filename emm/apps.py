from django.apps import AppConfig


class EmmConfig(AppConfig):
    name = "emm"
    verbose_name = "Platform"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register our system checks and what the API's description needs, and make our Celery app the current one.

        Without that a process that is not a worker would send its nudges to a broker on localhost.
        """
        from emm import celery, checks, schema  # noqa: F401  # importing registers them; they need the apps to be loaded
