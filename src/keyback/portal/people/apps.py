from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "keyback.portal.people"
    label = "people"
