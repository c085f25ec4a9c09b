from django.urls import path

from keyback.portal.methods.passkey import add, views

urlpatterns = [
    path("", views.use, name="passkey_use"),
    path("start", views.start, name="passkey_start"),
]
enrolment = [path("", add.add, name="passkey_add")]
