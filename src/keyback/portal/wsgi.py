"""Django as a WSGI application, for ``keyback serve`` and ``keyback serve-people``."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keyback.portal.settings")
application = get_wsgi_application()
