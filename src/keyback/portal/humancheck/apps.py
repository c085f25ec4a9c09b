from django.apps import AppConfig


class HumanCheckConfig(AppConfig):
    name = "keyback.portal.humancheck"
    label = "humancheck"
