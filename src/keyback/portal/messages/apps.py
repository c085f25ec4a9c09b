from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "keyback.portal.messages"
    label = "mail_messages"  # django.contrib.messages has the plain word
