from django.apps import AppConfig


class SecurityInfoConfig(AppConfig):
    name = "keyback.portal.securityinfo"
    label = "securityinfo"
