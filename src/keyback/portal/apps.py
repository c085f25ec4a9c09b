from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Templates, static files and translations that belong to no single part."""

    name = "keyback.portal"
    label = "portal"
