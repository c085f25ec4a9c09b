from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "keyback.portal.agents"
    label = "agents"
