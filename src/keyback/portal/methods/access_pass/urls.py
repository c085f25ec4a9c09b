from django.urls import path

from keyback.portal.methods.access_pass import views
from keyback.portal.methods.pages import start_at

urlpatterns = [
    path("", views.typed, name="access_pass_typed"),
    path("start", start_at("access_pass_typed"), name="access_pass_start"),
]
