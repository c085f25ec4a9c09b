from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "keyback.portal.organizations"
    label = "organizations"
