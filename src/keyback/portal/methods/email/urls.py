from django.urls import path

from keyback.portal.methods.email import views

urlpatterns = [
    path("", views.code, name="email_code"),
    path("send", views.send, name="email_send"),
]
