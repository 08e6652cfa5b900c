"""`uvicorn main:app` serves the product by itself: it starts the engines and, on embedded ones, brings the schema up to date."""

import os

from emm import engines, environment

engines.load_environment()
_embedded = not os.environ.get("DATABASE_URL", "").strip()

from emm.asgi import application as app  # noqa: E402  # importing it starts the engines, which sets DATABASE_URL

if _embedded and environment.value_of("ENVIRONMENT", os.environ) != "production":
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)

__all__ = ["app"]
