from django.apps import AppConfig


class WritebackConfig(AppConfig):
    name = "keyback.portal.writeback"
    label = "writeback"
