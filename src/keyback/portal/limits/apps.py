from django.apps import AppConfig


class LimitsConfig(AppConfig):
    name = "keyback.portal.limits"
    label = "limits"
