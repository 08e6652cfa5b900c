"""The ASGI entry point, for uvicorn."""

import os

from django.core.asgi import get_asgi_application

from emm import engines

engines.start()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emm.settings")
application = get_asgi_application()
