"""`uvicorn main:app` serves the product by itself: it starts the engines and, on embedded ones, brings the schema up to date."""

from django.core.management import call_command

from emm import engines
from emm.asgi import application as app  # starts the engines
from emm.measures import start

if "DATABASE_URL" in engines.embedded:
    call_command("migrate", interactive=False, verbosity=0)
start("web")

__all__ = ["app"]
