from django.urls import path

from keyback.portal.methods.email import codes, enrol, views
from keyback.portal.securityinfo import destination_pages

urlpatterns = [
    path("", views.code, name="email_code"),
    path("send", views.send, name="email_send"),
]
enrolment = destination_pages.urls(enrol.DESTINATION, codes.DIGITS)
