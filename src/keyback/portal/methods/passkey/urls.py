from django.urls import path

from keyback.portal.methods.pages import start_asking
from keyback.portal.methods.passkey import add, views
from keyback.portal.methods.passkey.method import METHOD

urlpatterns = [
    path("", views.use, name="passkey_use"),
    path("start", start_asking(METHOD.name, "passkey_use"), name="passkey_start"),
]
enrolment = [path("", add.add, name="passkey_add")]
