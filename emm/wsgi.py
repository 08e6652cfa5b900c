"""The WSGI entry point, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from emm import engines

engines.start()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emm.settings")
application = get_wsgi_application()
