from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "keyback.portal.audit"
    label = "audit"
