from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "keyback.portal.people"
    label = "people"

    def ready(self) -> None:
        from keyback.portal.people import administration  # noqa: F401 - connects to the outcomes of requests
