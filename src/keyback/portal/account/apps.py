from django.apps import AppConfig


class AccountConfig(AppConfig):
    name = "keyback.portal.account"
    label = "account"

    def ready(self) -> None:
        from keyback.portal.account import outcomes  # noqa: F401 - connects to the outcomes of writeback requests
