from django.apps import AppConfig


class RecoveryConfig(AppConfig):
    name = "keyback.portal.recovery"
    label = "recovery"
