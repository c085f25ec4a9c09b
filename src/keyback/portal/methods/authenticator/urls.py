from django.urls import path

from keyback.portal.methods.authenticator import add, views
from keyback.portal.methods.pages import start_at

urlpatterns = [
    path("", views.code, name="authenticator_code"),
    path("start", start_at("authenticator_code"), name="authenticator_start"),
]
enrolment = [path("", add.add, name="authenticator_add")]
