from django.apps import AppConfig


class RecoveryConfig(AppConfig):
    name = "keyback.portal.recovery"
    label = "recovery"

    def ready(self) -> None:
        from keyback.portal.recovery import outcomes  # noqa: F401 - connects to the outcomes of writeback requests
